"""Signing keys: published before they sign, rotated without a restart, encrypted where they lie."""

import asyncio
import threading

import httpx
import psycopg
import pytest
from cryptography.exceptions import InvalidTag

from tests.reference_service.auth.test_grants import claims_of
from windtunnel.reference_service.auth.database import Database
from windtunnel.reference_service.auth.keys import SigningKeys, keep_rotating, unwrap
from windtunnel.reference_service.auth.settings import AuthSettings
from windtunnel.reference_service.auth.upkeep import Upkeep
from windtunnel.reference_service.auth.verify import Policy, Verifier, parse_jwks
from windtunnel.reference_service.tracing import Tracing


def published(auth) -> list[str]:
    return sorted(key["kid"] for key in auth.client.get("/.well-known/jwks.json").json()["keys"])


def test_rotation_needs_no_restart_and_loses_no_token(start_auth):
    first, second = start_auth(), start_auth()
    secret = first.machine()
    assert published(first) == published(second)
    before = published(first)
    old = first.token_of(secret)
    first.admin("keys/rotate")
    after = published(second)
    assert len(before) == 2
    assert set(before) < set(after)
    new = second.token_of(secret)
    assert kid_of(new) in before  # published before it signed anything
    assert kid_of(new) != kid_of(old)
    assert [replica.bearer(token) for replica in (first, second) for token in (old, new)] == [200] * 4
    keys = parse_jwks(first.client.get("/.well-known/jwks.json").json())
    verifier = Verifier(Policy("https://auth.test", "app"))
    for token in (old, new):
        assert verifier.verify(token, keys, claims_time(token)).subject == "robot"


def kid_of(token: str) -> str:
    return claims_of(f".{token.split('.')[0]}")["kid"]


def claims_time(token: str) -> float:
    return claims_of(token)["iat"]


def test_replicas_that_start_at_once_agree_on_the_keys(start_auth):
    replicas = []
    threads = [threading.Thread(target=lambda: replicas.append(start_auth())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(replicas) == 3
    states = sorted(state for (state,) in replicas[0].sql("SELECT state FROM auth.signing_keys"))
    assert states == ["current", "next"]


def test_a_key_rotates_when_it_is_old_and_once_only(start_auth):
    start_auth(KEY_LIFETIME_S="1000")
    replica = start_auth(KEY_LIFETIME_S="1000")  # a start looks at the age, as the upkeep does
    assert len(published(replica)) == 2
    replica.sql("UPDATE auth.signing_keys SET current_since = now() - interval '1001 s' WHERE state = 'current'")
    assert len(published(start_auth(KEY_LIFETIME_S="1000"))) == 3
    assert len(published(start_auth(KEY_LIFETIME_S="1000"))) == 3


def test_another_algorithm_takes_over_beside_the_old_tokens(start_auth):
    auth = start_auth()
    secret = auth.machine()
    old = auth.token_of(secret)
    other = start_auth(SIGNING_ALGORITHM="RS256")
    new = other.token_of(secret)
    kinds = sorted(key["alg"] for key in other.client.get("/.well-known/jwks.json").json()["keys"])
    assert kinds == ["EdDSA", "EdDSA", "RS256", "RS256"]
    assert [replica.bearer(token) for replica in (auth, other) for token in (old, new)] == [200] * 4


def test_only_public_parts_are_published_and_private_ones_are_bound_to_their_id(start_auth):
    auth = start_auth(SIGNING_ALGORITHM="RS256")
    for key in auth.client.get("/.well-known/jwks.json").json()["keys"]:
        assert key.keys() == {"kty", "kid", "alg", "use", "n", "e"}
    (one, wrapped), (other, _) = auth.sql("SELECT kid, private_wrapped FROM auth.signing_keys")
    assert b"RSA" not in wrapped
    assert unwrap(bytes(range(32)), one, wrapped).key_size == 2048
    for secret, kid in ((bytes(32), one), (bytes(range(32)), other)):
        with pytest.raises(InvalidTag):
            unwrap(secret, kid, wrapped)


def test_metadata_names_every_endpoint(start_auth):
    auth = start_auth()
    metadata = auth.client.get("/.well-known/oauth-authorization-server").json()
    assert metadata["issuer"] == "https://auth.test"
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    for name in ("jwks_uri", "authorization_endpoint", "token_endpoint", "revocation_endpoint"):
        path = httpx.URL(metadata[name]).path
        assert auth.client.get(path).status_code in (200, 400, 405), name


def test_upkeep_removes_what_has_expired(start_auth, auth_environment):
    auth = start_auth()
    auth.page()
    auth.redeem(auth.code())
    auth.login("wrong")
    auth.sql("INSERT INTO auth.denied VALUES ('old', now() - interval '1 s'), ('new', now() + interval '1 h')")
    auth.sql("UPDATE auth.sessions SET expires_at = now() - interval '1 s'")
    auth.sql("UPDATE auth.families SET expires_at = now() - interval '1 s'")
    auth.sql("UPDATE auth.login_attempts SET window_ends_at = now() - interval '1 s'")
    settings = AuthSettings.read(auth_environment)

    async def once() -> None:
        tracing = Tracing(component="auth", replica="auth.0", endpoint=None)
        database = Database(settings.database, tracing, lambda c: keep_rotating(c, settings.tokens))
        await database.open()
        try:
            await Upkeep(database, SigningKeys(settings.tokens, database)).once()
        finally:
            await database.close()

    asyncio.run(once())
    for table in ("sessions", "families", "codes", "refresh_tokens", "login_attempts"):
        with psycopg.connect(auth.database) as connection:
            assert connection.execute(f"SELECT count(*) FROM auth.{table}").fetchone() == (0,), table
    assert auth.sql("SELECT id FROM auth.denied") == [("new",)]
