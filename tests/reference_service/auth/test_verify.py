"""The verifier against forged tokens, and the keys it fetches."""

import asyncio

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.reference_service.auth.forgery import Forger, b64
from windtunnel.reference_service.auth.verify import (
    KeyCache,
    KeysUnavailable,
    Policy,
    TokenRefused,
    Verifier,
    fetch_over,
    parse_jwks,
)

ISSUER = "https://auth.test"


def jwk_of(forger: Forger) -> dict[str, str]:
    public = forger.key.public_key()
    described = {"kid": forger.kid, "use": "sig", "alg": forger.algorithm}
    if forger.algorithm == "EdDSA":
        point = b64(public.public_bytes(Encoding.Raw, PublicFormat.Raw))
        return described | {"kty": "OKP", "crv": "Ed25519", "x": point}
    numbers = public.public_numbers()
    modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8)
    return described | {"kty": "RSA", "n": b64(modulus), "e": b64(numbers.e.to_bytes(3))}


@pytest.fixture(scope="module", params=["EdDSA", "RS256"])
def forger(request):
    key = Ed25519PrivateKey.generate() if request.param == "EdDSA" else generate_private_key(65_537, 2048)
    return Forger("k-1", key, ISSUER, "app")


def refusal(verifier: Verifier, token: str, forger: Forger) -> str | None:
    try:
        verifier.verify(token, parse_jwks({"keys": [jwk_of(forger)]}), forger.now_s)
    except TokenRefused as refused:
        return str(refused)
    return None


def test_honest_tokens_pass(forger):
    verifier = Verifier(Policy(ISSUER, "app"))
    keys = parse_jwks({"keys": [jwk_of(forger)]})
    claims = verifier.verify(forger.token(scope="chat read"), keys, forger.now_s)
    assert (claims.subject, claims.tenant, claims.scopes) == ("robot", "acme", {"chat", "read"})
    for honest in (
        forger.token(aud=["other", "app"]),
        forger.token(exp=forger.now_s - 4),
        forger.token(nbf=forger.now_s + 4, iat=forger.now_s + 4),
        forger.token({"typ": "application/AT+JWT"}),
        forger.token(scope=""),
    ):
        assert refusal(verifier, honest, forger) is None


def test_every_forgery_is_refused(forger):
    verifier = Verifier(Policy(ISSUER, "app"))
    passed = [name for name, token in forger.attacks().items() if refusal(verifier, token, forger) is None]
    assert passed == []


def test_without_the_audience_check_other_audiences_pass(forger):
    lax = Verifier(Policy(ISSUER, None))
    passed = [name for name, token in forger.attacks().items() if refusal(lax, token, forger) is None]
    assert passed == ["aud of another", "aud longer"]


def test_keys_that_could_confuse_are_not_taken(forger):
    good = jwk_of(forger)
    small = jwk_of(Forger("small", generate_private_key(65_537, 1024), ISSUER, "app"))
    others = [
        {"kty": "oct", "k": b64(b"secret"), "kid": "oct", "alg": "HS256"},
        {"kty": "EC", "crv": "P-256", "x": b64(bytes(32)), "y": b64(bytes(32)), "kid": "ec"},
        good | {"kid": "enc", "use": "enc"},
        good | {"kid": "alg", "alg": "HS256"},
        good | {"kid": "private", "d": b64(bytes(32))},
        {name: value for name, value in good.items() if name != "kid"},
        small,
        "not a key",
        {"kty": ["OKP"], "kid": "list"},
        {"kty": "OKP", "crv": "Ed25519", "x": "!", "kid": "broken"},
    ]
    assert parse_jwks({"keys": [*others, good]}).keys() == {"k-1"}
    for wrong in ([], {}, {"keys": {}}, None):
        with pytest.raises(ValueError, match="JWKS"):
            parse_jwks(wrong)


class Publisher:
    """A JWKS endpoint that counts, can fail, and whose clock is moved by hand."""

    def __init__(self, forger: Forger) -> None:
        self.document: object = {"keys": [jwk_of(forger)]}
        self.fetches = 0
        self.now_s = 0.0
        self.down = False

    async def fetch(self) -> object:
        self.fetches += 1
        await asyncio.sleep(0)
        if self.down:
            raise httpx.ConnectError("down")
        return self.document

    def cache(self) -> KeyCache:
        return KeyCache(self.fetch, ttl_s=60, refetch_s=5, stale_s=600, clock=lambda: self.now_s)


def test_unknown_keys_cost_one_fetch_in_a_while(forger):
    publisher = Publisher(forger)

    async def scenario() -> None:
        cache = publisher.cache()
        assert all(await asyncio.gather(*(cache.key("k-1") for _ in range(20))))
        assert publisher.fetches == 1
        publisher.now_s = 6
        assert not any(await asyncio.gather(*(cache.key(f"unknown-{n}") for n in range(50))))
        assert publisher.fetches == 2
        publisher.document = {"keys": [jwk_of(forger) | {"kid": "k-2"}]}
        assert await cache.key("k-2") is None  # within five seconds of the last fetch
        publisher.now_s = 12
        assert await cache.key("k-2") is not None
        assert await cache.key("k-1") is None  # retired
        assert publisher.fetches == 3

    asyncio.run(scenario())


def test_known_keys_outlive_an_outage_for_a_while(forger):
    publisher = Publisher(forger)

    async def scenario() -> None:
        cache = publisher.cache()
        publisher.down = True
        with pytest.raises(KeysUnavailable):
            await cache.key("k-1")
        publisher.down, publisher.now_s = False, 5
        assert await cache.key("k-1") is not None
        publisher.down, publisher.now_s = True, 100
        assert await cache.key("k-1") is not None
        publisher.now_s = 700
        with pytest.raises(KeysUnavailable):
            await cache.key("k-1")

    asyncio.run(scenario())


def test_a_jwks_that_is_too_large_is_not_read():
    async def scenario() -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, content=b" " * 70_000))
        async with httpx.AsyncClient(transport=transport) as client:
            with pytest.raises(ValueError, match="too large"):
                await fetch_over(client, "http://auth.test/jwks.json")()

    asyncio.run(scenario())
