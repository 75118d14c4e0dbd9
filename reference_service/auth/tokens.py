"""Access tokens: made, checked and revoked. Used by the grants, by introspection, and by the authorisation call.

A token is a JWT as RFC 9068 has it (typ at+jwt), with `tenant`, and `family` when it came with a refresh token: to
revoke the family revokes it too. Revoked ids stand in a deny list until the token would have expired anyway.
"""

from __future__ import annotations

import time
from uuid import UUID, uuid4

import jwt

from windtunnel.reference_service.auth.database import Database
from windtunnel.reference_service.auth.errors import InvalidToken
from windtunnel.reference_service.auth.keys import SigningKeys
from windtunnel.reference_service.auth.settings import Defences, TokenSettings
from windtunnel.reference_service.auth.verify import (
    TOKEN_TYPE,
    Bearer,
    Claims,
    KeyCache,
    Policy,
    TokenRefused,
    Verifier,
)

# How old the keys may be by which a replica checks tokens: a retired key outlives its publication by no more.
_KEYS_TTL_S = 1.0
_DENIED = "SELECT 1 FROM auth.denied WHERE id = ANY(%s)"
_DENY = """
INSERT INTO auth.denied (id, expires_at) VALUES (%s, clock_timestamp() + make_interval(secs => %s))
ON CONFLICT (id) DO NOTHING
"""


class AccessTokens:
    """The tokens of one issuer for one audience."""

    def __init__(self, settings: TokenSettings, defences: Defences, database: Database, keys: SigningKeys) -> None:
        self._settings = settings
        self._database = database
        self._keys = keys
        self._deny_list = defences.deny_list
        audience = settings.audience if defences.audience else None
        verifier = Verifier(Policy(settings.issuer, audience, settings.clock_skew_s))
        self._bearer = Bearer(verifier, KeyCache(keys.jwks, ttl_s=_KEYS_TTL_S, refetch_s=0, stale_s=0))

    async def issue(self, *, subject: str, tenant: str, client_id: str, scope: str, family: UUID | None) -> str:
        """A new token, signed with the current key."""
        signing = await self._keys.current()
        now_s = int(time.time())
        claims = {
            "iss": self._settings.issuer,
            "aud": self._settings.audience,
            "sub": subject,
            "tenant": tenant,
            "client_id": client_id,
            "scope": scope,
            "iat": now_s,
            "nbf": now_s,
            "exp": now_s + self._settings.access_ttl_s,
            "jti": str(uuid4()),
        }
        if family is not None:
            claims["family"] = str(family)
        header = {"typ": TOKEN_TYPE, "kid": signing.kid}
        return jwt.encode(claims, signing.key, algorithm=self._settings.algorithm, headers=header)

    async def check(self, token: str) -> Claims:
        """The claims of a token that is good and not revoked. Raises `InvalidToken`, which does not say why."""
        try:
            claims = await self._bearer.verify(token)
        except TokenRefused:
            raise InvalidToken("the access token does not hold") from None
        ids = [each for each in (claims.jti, claims.family) if each is not None]
        if self._deny_list and await self._database.fetch("deny list", _DENIED, (ids,)):
            raise InvalidToken("the access token does not hold")
        return claims

    async def revoke(self, claims: Claims) -> None:
        """Have the token refused from now on."""
        left_s = claims.expires_at_s - time.time() + self._settings.clock_skew_s
        await self._database.fetch("revoke", _DENY, (claims.jti, max(0.0, left_s)))
