"""The gateway's question: may this request pass, and whose is it? (Envoy's ext_authz, HTTP service.)

Envoy sends the method, the path and the credentials of a request to /authz + its path. A 200 lets it pass with
x-tenant, x-subject and x-scope, which the gateway has to put in place of whatever the client sent under these
names; 401 and 403 go back to the client. When the database does not answer, the answer is a 5xx: closed.

`AUTHZ_SCOPES` says which scope a path needs, by the longest prefix of whole segments. Where it says anything, a
path that it does not name is closed to all.
"""

from __future__ import annotations

from collections.abc import Mapping

from windtunnel.reference_service.auth.api_keys import KEY_PREFIX, ApiKeys
from windtunnel.reference_service.auth.errors import InsufficientScope, InvalidToken
from windtunnel.reference_service.auth.tokens import AccessTokens


class Authorization:
    """Decides by an API key or a bearer token."""

    def __init__(self, scopes: Mapping[str, str], tokens: AccessTokens, api_keys: ApiKeys) -> None:
        self._scopes = scopes
        self._tokens = tokens
        self._api_keys = api_keys

    async def decide(self, path: str, authorization: list[str], api_key: list[str]) -> dict[str, str]:
        """The headers of a request that may pass. Raises `InvalidToken` or `InsufficientScope`.

        `authorization` and `api_key` are all values of these headers: more than one credential is refused.
        """
        tenant, subject, scopes = await self._identify(authorization, api_key)
        if self._scopes:
            needed = needed_scope(self._scopes, path)
            if needed is None or needed not in scopes:
                raise InsufficientScope(needed)
        return {"x-tenant": tenant, "x-subject": subject, "x-scope": " ".join(sorted(scopes))}

    async def _identify(self, authorization: list[str], api_key: list[str]) -> tuple[str, str, frozenset[str]]:
        if len(authorization) + len(api_key) != 1:
            raise InvalidToken("expected one credential")
        if api_key:
            secret = api_key[0]
        else:
            scheme, _, secret = authorization[0].partition(" ")
            if scheme.lower() != "bearer":
                raise InvalidToken("expected a bearer token or an API key")
        if api_key or secret.startswith(f"{KEY_PREFIX}_"):
            key = await self._api_keys.find(secret)
            if key is None:
                raise InvalidToken("the API key does not hold")
            return key.tenant, f"key:{key.key_id}", key.scopes
        claims = await self._tokens.check(secret)
        return claims.tenant, claims.subject, claims.scopes


def needed_scope(scopes: Mapping[str, str], path: str) -> str | None:
    """The scope of the longest prefix; None where none fits, or where the path may mean another than it seems."""
    segments = path.strip("/").split("/")
    if any(segment in ("", ".", "..") for segment in segments) and path.strip("/"):
        return None
    for length in range(len(segments), -1, -1):
        if (scope := scopes.get("/" + "/".join(segments[:length]))) is not None:
            return scope
    return None
