"""Validation of access tokens (JWT, RFC 7519 and 9068) against a JWKS. Used by the app, and by the service itself.

    verifier = Verifier(Policy(issuer="https://auth", audience="app"))
    claims = verifier.verify(token, parse_jwks(document), now_s)      # pure
    claims = await Bearer(verifier, KeyCache(fetch_over(client, url))).verify(token)

Everything that a token says is refused unless it was expected (RFC 8725): the only header members are alg, typ
and kid, so a key or an address of one (jwk, jku, x5u, x5c) and `crit` have no way in; the algorithm is the one
that its key was published for, never the token's choice; names that occur twice, other base64 than the canonical
one, and tokens beyond the size limit are refused before any signature is looked at.

What a token cannot say is whether it was revoked since: ask /introspect or /authz for that.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import math
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import jwt

TOKEN_TYPE = "at+jwt"
_HEADER = frozenset({"alg", "typ", "kid"})
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_MAX_JWKS_BYTES = 65_536
_MIN_RSA_BITS = 2048
_FAR_FUTURE_S = 1e12  # leaves out NaN, infinity and whole numbers that no float can hold


class TokenRefused(Exception):
    """The token is not accepted; the message says why and repeats nothing of it."""


class KeysUnavailable(Exception):
    """The JWKS could not be fetched and none is known: whether the token is good cannot be said."""


@dataclass(frozen=True)
class VerifyingKey:
    """A public key and the one algorithm that it may be used with."""

    algorithm: str
    key: Any


@dataclass(frozen=True)
class Policy:
    """What is expected of a token. `audience` None accepts any (an experiment, not a configuration)."""

    issuer: str
    audience: str | None
    clock_skew_s: float = 5
    max_bytes: int = 4096


@dataclass(frozen=True)
class Claims:
    """What a good token says. Times are seconds since 1970; `family` is what revokes it with its refresh tokens."""

    subject: str
    tenant: str
    client_id: str
    scope: str
    jti: str
    family: str | None
    issued_at_s: float
    expires_at_s: float

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self.scope.split())


@dataclass(frozen=True)
class Unverified:
    """A token that has the right form, and whose signature was not looked at."""

    token: str
    algorithm: str
    kid: str


class Verifier:
    """Checks tokens against a policy; keeps nothing and fetches nothing."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def verify(self, token: str, keys: Mapping[str, VerifyingKey], now_s: float) -> Claims:
        """The claims of a good token. Raises `TokenRefused`."""
        unverified = self.read(token)
        return self.check(unverified, keys.get(unverified.kid), now_s)

    def read(self, token: str) -> Unverified:
        """The form of the token, and which key it says it was signed with. Raises `TokenRefused`."""
        if len(token) > self._policy.max_bytes:
            raise TokenRefused("the token is too large")
        parts = token.split(".")
        if len(parts) != 3:
            raise TokenRefused("a signed token has three parts")
        header, _, _ = (_decoded(part) for part in parts)
        members = _object(header, "header")
        if members.keys() != _HEADER:
            raise TokenRefused("the header has to have alg, typ and kid, and nothing else")
        if not isinstance(members["typ"], str) or members["typ"].lower().removeprefix("application/") != TOKEN_TYPE:
            raise TokenRefused(f"the token is not of the type {TOKEN_TYPE}")
        if not isinstance(members["kid"], str) or not isinstance(members["alg"], str):
            raise TokenRefused("alg and kid have to be strings")
        return Unverified(token, members["alg"], members["kid"])

    def check(self, unverified: Unverified, key: VerifyingKey | None, now_s: float) -> Claims:
        """Signature and claims. Raises `TokenRefused`."""
        if key is None:
            raise TokenRefused("the token's key is not among those published")
        if unverified.algorithm != key.algorithm:
            raise TokenRefused("the token's algorithm is not its key's")
        try:
            payload = jwt.PyJWS().decode(unverified.token, key.key, algorithms=[key.algorithm])
        except jwt.InvalidTokenError:
            raise TokenRefused("the signature does not hold") from None
        return self._claims(_object(payload, "payload"), now_s)

    def _claims(self, said: Mapping[str, Any], now_s: float) -> Claims:
        policy = self._policy
        texts = {name: _text(said, name) for name in ("iss", "sub", "tenant", "client_id", "jti")}
        scope = said.get("scope")
        family = said.get("family")
        if not isinstance(scope, str) or not (family is None or isinstance(family, str)):
            raise TokenRefused("scope has to be a string")
        if texts["iss"] != policy.issuer:
            raise TokenRefused("the token is from another issuer")
        audience = said.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if not audiences or not all(isinstance(each, str) and each for each in audiences):
            raise TokenRefused("aud has to be a string or a list of them")
        if policy.audience is not None and policy.audience not in audiences:
            raise TokenRefused("the token is for another audience")
        expires_s, not_before_s, issued_s = (_seconds(said, name) for name in ("exp", "nbf", "iat"))
        if expires_s <= now_s - policy.clock_skew_s:
            raise TokenRefused("the token has expired")
        if max(not_before_s, issued_s) > now_s + policy.clock_skew_s:
            raise TokenRefused("the token is not valid yet")
        return Claims(
            subject=texts["sub"],
            tenant=texts["tenant"],
            client_id=texts["client_id"],
            scope=scope,
            jti=texts["jti"],
            family=family,
            issued_at_s=issued_s,
            expires_at_s=expires_s,
        )


def parse_jwks(document: Any) -> dict[str, VerifyingKey]:
    """The keys of a JWKS (RFC 7517) that can be used: Ed25519 and RSA of at least 2048 bits, for signatures.

    Others are skipped, as the RFC asks, symmetric ones above all. Raises ValueError when it is no JWKS.
    """
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("a JWKS is an object with a list of keys")
    found: dict[str, VerifyingKey] = {}
    for jwk in document["keys"]:
        algorithm = _algorithm_of(jwk)
        if algorithm is None:
            continue
        try:
            key = jwt.PyJWK(jwk, algorithm=algorithm).key
        except jwt.PyJWTError:
            continue
        if algorithm == "EdDSA" or key.key_size >= _MIN_RSA_BITS:
            found[jwk["kid"]] = VerifyingKey(algorithm, key)
    return found


class KeyCache:
    """Keys by their id, fetched when they are `ttl_s` old, or when an unknown id is asked for.

    An unknown id costs at most one fetch in `refetch_s`, however many tokens name one, and callers share a fetch.
    While the JWKS cannot be fetched, the keys that are known serve on, for at most `stale_s`.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Any]],
        *,
        ttl_s: float = 60,
        refetch_s: float = 5,
        stale_s: float = 600,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._ttl_s, self._refetch_s, self._stale_s = ttl_s, refetch_s, stale_s
        self._clock = clock
        self._keys: dict[str, VerifyingKey] = {}
        self._fetched_at_s = self._tried_at_s = -math.inf
        self._turn = asyncio.Lock()

    async def key(self, kid: str) -> VerifyingKey | None:
        """The key, or None when the JWKS does not have it. Raises `KeysUnavailable`."""
        if self._due(kid):
            async with self._turn:
                if self._due(kid):
                    await self._refresh()
        if self._clock() - self._fetched_at_s > self._ttl_s + self._stale_s:
            raise KeysUnavailable("the JWKS cannot be fetched")
        return self._keys.get(kid)

    def _due(self, kid: str) -> bool:
        now_s = self._clock()
        wanted = kid not in self._keys or now_s - self._fetched_at_s >= self._ttl_s
        return wanted and now_s - self._tried_at_s >= min(self._refetch_s, self._ttl_s)

    async def _refresh(self) -> None:
        began_s = self._clock()
        try:
            self._keys = parse_jwks(await self._fetch())
            self._fetched_at_s = began_s
        except (httpx.HTTPError, ValueError):
            return
        finally:
            self._tried_at_s = began_s  # only now, so that whoever came meanwhile waits for this fetch


def fetch_over(client: httpx.AsyncClient, url: str) -> Callable[[], Awaitable[Any]]:
    """Fetches a JWKS over HTTP, without following redirects; the client's time-out bounds it."""

    async def fetch() -> Any:
        async with client.stream("GET", url, follow_redirects=False) as response:
            response.raise_for_status()
            body = b""
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > _MAX_JWKS_BYTES:
                    raise ValueError("the JWKS is too large")
        return json.loads(body)

    return fetch


class Bearer:
    """A verifier with its keys."""

    def __init__(self, verifier: Verifier, keys: KeyCache) -> None:
        self._verifier = verifier
        self._keys = keys

    async def verify(self, token: str) -> Claims:
        """Raises `TokenRefused` or `KeysUnavailable`."""
        unverified = self._verifier.read(token)
        return self._verifier.check(unverified, await self._keys.key(unverified.kid), time.time())


def _algorithm_of(jwk: Any) -> str | None:
    """The one algorithm of a public key that we use; None for all others."""
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str) or jwk.get("use", "sig") != "sig":
        return None
    kinds: dict[tuple[Any, Any], str] = {("OKP", "Ed25519"): "EdDSA", ("RSA", None): "RS256"}
    kty, crv = jwk.get("kty"), jwk.get("crv")
    algorithm = kinds.get((kty, crv)) if isinstance(kty, str) and isinstance(crv, str | None) else None
    return algorithm if jwk.get("alg", algorithm) == algorithm and "d" not in jwk else None


def _decoded(part: str) -> bytes:
    if not _BASE64URL.fullmatch(part):
        raise TokenRefused("a part of the token is not base64url")
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise TokenRefused("a part of the token is not base64url") from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != part:
        raise TokenRefused("a part of the token is not canonical base64url")
    return decoded


def _object(text: bytes, what: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise ValueError("a name occurs twice")
        return members

    try:
        value = json.loads(text.decode(), object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise TokenRefused(f"the token's {what} is not plain JSON") from None
    if not isinstance(value, dict):
        raise TokenRefused(f"the token's {what} is not an object")
    return value


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not value:
        raise TokenRefused(f"{name} is missing or not a string")
    return value


def _seconds(said: Mapping[str, Any], name: str) -> float:
    value = said.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _FAR_FUTURE_S:
        raise TokenRefused(f"{name} is missing or not a number")
    return float(value)
