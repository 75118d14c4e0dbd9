"""Administration over HTTP: users, clients, API keys, key rotation. Used by whoever sets a stack up.

Everything asks for the bearer of ADMIN_TOKEN. Secrets are made here and shown in the answer, once.
"""

from __future__ import annotations

import hmac
from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from windtunnel.reference_service.auth.api_keys import ApiKeys
from windtunnel.reference_service.auth.database import Database
from windtunnel.reference_service.auth.errors import InvalidToken, OAuthError
from windtunnel.reference_service.auth.keys import SigningKeys
from windtunnel.reference_service.auth.opaque import hash_of, new_secret
from windtunnel.reference_service.auth.passwords import Passwords
from windtunnel.reference_service.errors import JsonResponse

# Names become headers, claims and keys of counters: no separator of any of them is in them.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._@-]{1,64}$")]
Scope = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]  # RFC 6749, section 3.3, and less
RedirectUri = Annotated[str, StringConstraints(pattern=r"^https?://[^\s#\x00]{1,500}$")]

_NEW_USER = """
INSERT INTO auth.users (user_id, tenant, username, password_hash) VALUES (%s, %s, %s, %s)
ON CONFLICT (tenant, username) DO NOTHING RETURNING user_id
"""
_NEW_CLIENT = """
INSERT INTO auth.clients (client_id, tenant, secret_hash, scopes, grants, redirect_uris)
VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (client_id) DO NOTHING RETURNING client_id
"""


class Conflict(OAuthError):
    """The name is taken; nothing was changed."""

    status, code = 409, "conflict"


class NotFound(OAuthError):
    """There is nothing of this id."""

    status, code = 404, "not_found"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewUser(_Body):
    """A user of a tenant."""

    tenant: Name
    username: Name
    password: Annotated[SecretStr, Field(min_length=12, max_length=256)]


class NewClient(_Body):
    """An OAuth client of a tenant; a public one gets no secret and may not use client credentials."""

    client_id: Name
    tenant: Name
    public: bool = False
    scopes: tuple[Scope, ...] = ()
    grants: tuple[Literal["client_credentials", "authorization_code", "refresh_token"], ...]
    redirect_uris: tuple[RedirectUri, ...] = ()


class NewApiKey(_Body):
    """An API key of a tenant."""

    tenant: Name
    scopes: tuple[Scope, ...] = ()


def admin_routes(
    token: str, database: Database, passwords: Passwords, api_keys: ApiKeys, keys: SigningKeys
) -> APIRouter:
    """The routes under /admin."""

    def authorized(request: Request) -> None:
        shown = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(hash_of(f"Bearer {token}"), hash_of(shown.decode("utf-8", "replace"))):
            raise InvalidToken("not the administrator")

    routes = APIRouter(prefix="/admin", dependencies=[Depends(authorized)])

    @routes.post("/users", response_model=None)
    async def post_user(user: NewUser) -> Response:
        hashed = await passwords.hash(user.password.get_secret_value())
        user_id = uuid4()
        if not await database.fetch("new user", _NEW_USER, (user_id, user.tenant, user.username, hashed)):
            raise Conflict("this user is there already")
        return JsonResponse({"user_id": str(user_id)}, 201)

    @routes.post("/clients", response_model=None)
    async def post_client(client: NewClient) -> Response:
        if client.public and "client_credentials" in client.grants:
            raise OAuthError("a public client has no credentials")
        secret = None if client.public else new_secret("wtx")
        hashed = hash_of(secret) if secret is not None else None
        lists = (list(client.scopes), list(client.grants), list(client.redirect_uris))
        row = (client.client_id, client.tenant, hashed, *lists)
        if not await database.fetch("new client", _NEW_CLIENT, row):
            raise Conflict("this client is there already")
        shown = {"client_secret": secret} if secret is not None else {}
        return JsonResponse({"client_id": client.client_id} | shown, 201, {"cache-control": "no-store"})

    @routes.post("/api-keys", response_model=None)
    async def post_api_key(key: NewApiKey) -> Response:
        key_id, secret = await api_keys.create(key.tenant, key.scopes)
        return JsonResponse({"key_id": str(key_id), "api_key": secret}, 201, {"cache-control": "no-store"})

    @routes.delete("/api-keys/{key_id}", response_model=None)
    async def delete_api_key(key_id: UUID) -> Response:
        if not await api_keys.revoke(key_id):
            raise NotFound("no API key has this id")
        return Response(status_code=204)

    @routes.post("/keys/rotate", response_model=None)
    async def post_rotation() -> Response:
        await keys.rotate()
        return Response(status_code=204)

    return routes
