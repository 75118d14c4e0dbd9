"""OAuth clients: who they are, what they may, and how they prove it (RFC 6749, section 2.3)."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from windtunnel.reference_service.auth.database import Database
from windtunnel.reference_service.auth.errors import InvalidClient, InvalidRequest, InvalidScope, UnauthorizedClient
from windtunnel.reference_service.auth.opaque import hash_of

GRANTS = ("client_credentials", "authorization_code", "refresh_token")
_FIND = """
SELECT client_id, tenant, secret_hash, scopes, grants, redirect_uris FROM auth.clients WHERE client_id = %s
"""


@dataclass(frozen=True)
class Client:
    """`secret_hash` None: a public client, which has no secret to keep and proves itself by PKCE alone."""

    client_id: str
    tenant: str
    secret_hash: bytes | None
    scopes: tuple[str, ...]
    grants: tuple[str, ...]
    redirect_uris: tuple[str, ...]

    def scope(self, asked: str | None) -> str:
        """The scope that is granted: all that the client may have, or the part it asks for. Raises `InvalidScope`."""
        if asked is None:
            return " ".join(self.scopes)
        wanted = dict.fromkeys(asked.split())
        if not wanted.keys() <= set(self.scopes):
            raise InvalidScope("the client may not have this scope")
        return " ".join(wanted)

    def require(self, grant: str) -> None:
        if grant not in self.grants:
            raise UnauthorizedClient(f"the client may not use {grant}")


class Clients:
    """The clients that are registered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, client_id: str) -> Client | None:
        rows = await self._database.fetch("client", _FIND, (client_id,))
        if not rows:
            return None
        name, tenant, secret_hash, scopes, grants, redirect_uris = rows[0]
        return Client(name, tenant, secret_hash, tuple(scopes), tuple(grants), tuple(redirect_uris))

    async def authenticate(self, authorization: str | None, form: Mapping[str, str]) -> Client:
        """The client of a request: by HTTP Basic or in the form, never both. Raises `InvalidClient`."""
        client_id, secret = form.get("client_id"), form.get("client_secret")
        if authorization is not None:
            if secret is not None:
                raise InvalidRequest("a client proves itself in one way only")
            named, secret = _basic(authorization)
            if client_id not in (None, named):
                raise InvalidRequest("two client ids")
            client_id = named
        if client_id is None:
            raise InvalidClient("the client is not named")
        client = await self.find(client_id)
        if client is None or not _proven(client, secret):
            raise InvalidClient("the client is unknown or did not prove itself")
        return client


def _proven(client: Client, secret: str | None) -> bool:
    if client.secret_hash is None:
        return secret is None
    return secret is not None and hmac.compare_digest(client.secret_hash, hash_of(secret))


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        decoded = ""
    name, colon, secret = (unquote_plus(part) for part in decoded.partition(":"))
    if scheme.lower() != "basic" or not colon or "\x00" in name:
        raise InvalidClient("the authorization header is not HTTP Basic")
    return name, secret
