"""The grants of the token endpoint (RFC 6749, 7636, 9700): client credentials, code with PKCE, refresh, revocation.

Codes and refresh tokens are good once. One that comes back was stolen, or its thief was here first; who of the
two asks cannot be told, so the whole family is revoked. Both are used under a lock on their family: of requests
that present the same one at once, one is served.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from windtunnel.reference_service.auth.clients import Client
from windtunnel.reference_service.auth.database import Database, rows_of
from windtunnel.reference_service.auth.errors import (
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    OAuthError,
    UnsupportedGrantType,
)
from windtunnel.reference_service.auth.families import revoke_family
from windtunnel.reference_service.auth.login import Session
from windtunnel.reference_service.auth.opaque import hash_of, new_secret
from windtunnel.reference_service.auth.settings import Defences, TokenSettings
from windtunnel.reference_service.auth.tokens import AccessTokens
from windtunnel.reference_service.connections import Connection

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636, section 4.1

_NEW_FAMILY = """
INSERT INTO auth.families (family_id, client_id, tenant, subject, scope, session_id, expires_at)
VALUES (%s, %s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))
"""
_NEW_CODE = """
INSERT INTO auth.codes (code_hash, family_id, redirect_uri, challenge, expires_at)
VALUES (%s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))
"""
_LOCK_FAMILY = """
SELECT family_id, client_id, tenant, subject, scope, revoked OR expires_at <= clock_timestamp()
FROM auth.families WHERE family_id = (SELECT family_id FROM {table} WHERE {column} = %s) FOR UPDATE
"""
_LOCK_BY_CODE = _LOCK_FAMILY.format(table="auth.codes", column="code_hash")
_LOCK_BY_REFRESH = _LOCK_FAMILY.format(table="auth.refresh_tokens", column="token_hash")
_CODE = "SELECT redirect_uri, challenge, used, expires_at <= clock_timestamp() FROM auth.codes WHERE code_hash = %s"
_USE_CODE = "UPDATE auth.codes SET used = true WHERE code_hash = %s"
_REFRESH = "SELECT used FROM auth.refresh_tokens WHERE token_hash = %s"
_USE_REFRESH = "UPDATE auth.refresh_tokens SET used = true WHERE token_hash = %s"
_NEW_REFRESH = "INSERT INTO auth.refresh_tokens (token_hash, family_id) VALUES (%s, %s)"
_ACTIVE_REFRESH = """
SELECT client_id, tenant, subject, scope, extract(epoch FROM expires_at)::bigint
FROM auth.refresh_tokens JOIN auth.families USING (family_id)
WHERE token_hash = %s AND NOT used AND NOT revoked AND expires_at > clock_timestamp()
"""

_NOT_GOOD = "the code or refresh token does not hold"


class Grants:
    """What /authorize prepares and /token hands out."""

    def __init__(self, settings: TokenSettings, defences: Defences, database: Database, tokens: AccessTokens) -> None:
        self._settings = settings
        self._defences = defences
        self._database = database
        self._tokens = tokens

    async def code(self, client: Client, session: Session, scope: str, redirect_uri: str, challenge: str) -> str:
        """A code for the client, good once and for a short time."""
        code, family_id = new_secret("wtc"), uuid4()
        settings = self._settings

        async def store(connection: Connection) -> None:
            family = (family_id, client.client_id, client.tenant, str(session.user_id), scope, session.session_id)
            await connection.execute(_NEW_FAMILY, (*family, settings.refresh_ttl_s))
            stored = (hash_of(code), family_id, redirect_uri, challenge, settings.code_ttl_s)
            await connection.execute(_NEW_CODE, stored)

        await self._database.transact("new code", store)
        return code

    async def token(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        """The answer of the token endpoint (RFC 6749, section 5.1). Raises `OAuthError`."""
        grant = _required(form, "grant_type")
        if grant == "client_credentials":
            return await self._client_credentials(client, form)
        if grant == "authorization_code":
            return await self._authorization_code(client, form)
        if grant == "refresh_token":
            return await self._refresh(client, form)
        raise UnsupportedGrantType("unknown grant_type")

    async def revoke_refresh(self, client: Client, token: str) -> None:
        """Revoke the family of a refresh token of this client; any other token is none of its business."""

        async def revoke(connection: Connection) -> None:
            for family_id, owner, *_ in await rows_of(connection, _LOCK_BY_REFRESH, (hash_of(token),)):
                if owner == client.client_id:
                    await self._revoke_family(connection, family_id)

        await self._database.transact("revoke", revoke)

    async def active_refresh(self, token: str) -> dict[str, Any] | None:
        """What introspection says of a refresh token that could still be used; None for all others."""
        rows = await self._database.fetch("introspect", _ACTIVE_REFRESH, (hash_of(token),))
        names = ("client_id", "tenant", "sub", "scope", "exp")
        return dict(zip(names, rows[0], strict=True)) if rows else None

    async def _client_credentials(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        client.require("client_credentials")
        scope = client.scope(form.get("scope"))
        token = await self._tokens.issue(
            subject=client.client_id, tenant=client.tenant, client_id=client.client_id, scope=scope, family=None
        )
        return self._answer(token, scope)

    async def _authorization_code(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        client.require("authorization_code")
        hashed = hash_of(_required(form, "code"))
        redirect_uri, verifier = _required(form, "redirect_uri"), form.get("code_verifier", "")
        refresh = new_secret("wtr") if "refresh_token" in client.grants else None

        async def use(connection: Connection) -> tuple[Any, ...] | OAuthError:
            family = await self._lock(connection, _LOCK_BY_CODE, hashed, client)
            [(bound_uri, challenge, used, expired)] = await rows_of(connection, _CODE, (hashed,))
            if used and self._defences.reuse_detection:
                await self._revoke_family(connection, family[0])
                return InvalidGrant(_NOT_GOOD)
            if expired or bound_uri != redirect_uri:
                raise InvalidGrant(_NOT_GOOD)
            if self._defences.pkce and not _proves(verifier, challenge):
                raise InvalidGrant(_NOT_GOOD)
            await connection.execute(_USE_CODE, (hashed,))
            if refresh is not None:
                await connection.execute(_NEW_REFRESH, (hash_of(refresh), family[0]))
            return family

        return await self._hand_out(await self._database.transact("use code", use), None, refresh)

    async def _refresh(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        client.require("refresh_token")
        hashed = hash_of(_required(form, "refresh_token"))
        refresh = new_secret("wtr")

        async def use(connection: Connection) -> tuple[Any, ...] | OAuthError:
            family = await self._lock(connection, _LOCK_BY_REFRESH, hashed, client)
            [(used,)] = await rows_of(connection, _REFRESH, (hashed,))
            if used and self._defences.reuse_detection:
                await self._revoke_family(connection, family[0])
                return InvalidGrant(_NOT_GOOD)
            _narrowed(family[4], form.get("scope"))
            await connection.execute(_USE_REFRESH, (hashed,))
            await connection.execute(_NEW_REFRESH, (hash_of(refresh), family[0]))
            return family

        return await self._hand_out(await self._database.transact("rotate refresh", use), form.get("scope"), refresh)

    async def _lock(self, connection: Connection, statement: str, hashed: bytes, client: Client) -> tuple[Any, ...]:
        families = await rows_of(connection, statement, (hashed,))
        if not families or families[0][1] != client.client_id or families[0][5]:
            raise InvalidGrant(_NOT_GOOD)
        return families[0]

    async def _hand_out(
        self, family: tuple[Any, ...] | OAuthError, asked: str | None, refresh: str | None
    ) -> dict[str, Any]:
        if isinstance(family, OAuthError):  # returned, not raised, so that the revocation is committed
            raise family
        family_id, client_id, tenant, subject, granted, _ = family
        scope = _narrowed(granted, asked)
        token = await self._tokens.issue(
            subject=subject, tenant=tenant, client_id=client_id, scope=scope, family=family_id
        )
        return self._answer(token, scope) | ({"refresh_token": refresh} if refresh is not None else {})

    async def _revoke_family(self, connection: Connection, family_id: UUID) -> None:
        await revoke_family(connection, family_id, self._settings.access_ttl_s + self._settings.clock_skew_s)

    def _answer(self, token: str, scope: str) -> dict[str, Any]:
        expires_in = self._settings.access_ttl_s
        return {"access_token": token, "token_type": "Bearer", "expires_in": expires_in, "scope": scope}


def _proves(verifier: str, challenge: str) -> bool:
    """RFC 7636, section 4.6: challenge = BASE64URL(SHA256(verifier)); S256 is the only method here."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return hmac.compare_digest(digest, challenge)


def _narrowed(granted: str, asked: str | None) -> str:
    if asked is None:
        return granted
    wanted = dict.fromkeys(asked.split())
    if not wanted.keys() <= set(granted.split()):
        raise InvalidScope("this was not granted")
    return " ".join(wanted)


def _required(form: Mapping[str, str], name: str) -> str:
    value = form.get(name)
    if not value:
        raise InvalidRequest(f"{name} is missing")
    return value
