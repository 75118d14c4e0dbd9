"""The auth service as a FastAPI application: its routes, its errors, and the life of its connections.

/.well-known/jwks.json, /.well-known/oauth-authorization-server      (RFC 7517, 8414)
/authorize, /token, /revoke, /introspect                             (RFC 6749, 7636, 7009, 7662)
/login, /logout                                                      JSON, for pages and tests
/authz/...                                                           the gateway's authorisation call
/admin/...                                                           with ADMIN_TOKEN only
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from starlette.types import ASGIApp

from windtunnel.reference_service.auth.admin import Name, admin_routes
from windtunnel.reference_service.auth.api_keys import ApiKeys
from windtunnel.reference_service.auth.authorize import Authorize, login_page
from windtunnel.reference_service.auth.authz import Authorization
from windtunnel.reference_service.auth.clients import GRANTS, Clients
from windtunnel.reference_service.auth.database import Database
from windtunnel.reference_service.auth.errors import (
    InvalidRequest,
    InvalidToken,
    LoginFailed,
    TooManyAttempts,
    UnauthorizedClient,
)
from windtunnel.reference_service.auth.forms import read_form
from windtunnel.reference_service.auth.grants import Grants
from windtunnel.reference_service.auth.keys import SigningKeys, keep_rotating
from windtunnel.reference_service.auth.login import Login
from windtunnel.reference_service.auth.passwords import Passwords
from windtunnel.reference_service.auth.settings import AuthSettings, TokenSettings
from windtunnel.reference_service.auth.tokens import AccessTokens
from windtunnel.reference_service.auth.upkeep import Upkeep
from windtunnel.reference_service.auth.verify import KeysUnavailable
from windtunnel.reference_service.connections import Connection
from windtunnel.reference_service.errors import JsonResponse, ServiceError
from windtunnel.reference_service.serving import Drain
from windtunnel.reference_service.tracing import OUTCOME, ServerSpans, Tracing

COOKIE = "__Host-session"  # the prefix binds it to https, this host and every path
INTROSPECT_SCOPE = "auth:introspect"  # what a client must have been given to ask about tokens that are not its own
_SECRET = {"cache-control": "no-store"}
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class LoginRequest(BaseModel):
    """Who wants to be logged in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: Name
    username: Name
    password: Annotated[SecretStr, Field(max_length=256)]


def build_app(settings: AuthSettings, drain: Drain) -> ASGIApp:
    """The application with its middleware. It connects when the server starts it, not before."""
    process = settings.process
    tracing = Tracing(component=process.component, replica=process.replica, endpoint=process.otlp_endpoint)

    async def prepare(connection: Connection) -> None:
        await keep_rotating(connection, settings.tokens)

    database = Database(settings.database, tracing, prepare)
    keys = SigningKeys(settings.tokens, database)
    tokens = AccessTokens(settings.tokens, settings.defences, database, keys)
    passwords = Passwords(settings.login)
    login = Login(settings, database, passwords)
    clients = Clients(database)
    grants = Grants(settings.tokens, settings.defences, database, tokens)
    authorize = Authorize(settings.tokens, settings.defences, clients, login, grants)
    api_keys = ApiKeys(database)
    authorization = Authorization(settings.authz_scopes, tokens, api_keys)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        parts = (database, Upkeep(database, keys))
        for part in parts:
            await part.open()
        try:
            yield
        finally:
            for part in reversed(parts):
                await part.close()
            await asyncio.to_thread(tracing.close)

    api = FastAPI(title="Windtunnel auth service", lifespan=life)

    @api.get("/.well-known/jwks.json", response_model=None)
    async def get_jwks() -> Response:
        return JsonResponse(await keys.jwks(), headers={"cache-control": "public, max-age=60"})

    @api.get("/.well-known/oauth-authorization-server", response_model=None)
    async def get_metadata() -> Response:
        return JsonResponse(_metadata(settings.tokens))

    async def begin_session(who: LoginRequest, request: Request) -> str:
        address = _address(request, settings)
        return await login.begin(who.tenant, who.username, who.password.get_secret_value(), address)

    @api.get("/authorize", response_model=None)
    async def get_authorize(request: Request) -> Response:
        asked = await authorize.asked(request.url.query.encode())
        return await authorize.answer(asked, request.cookies.get(COOKIE))

    @api.post("/authorize", response_model=None)
    async def post_authorize(request: Request) -> Response:
        _refuse_other_origins(request, settings.tokens.issuer)
        asked = await authorize.asked(request.url.query.encode())
        form = await read_form(request)
        try:
            who = LoginRequest(
                tenant=asked.client.tenant, username=form.get("username", ""), password=SecretStr(form["password"])
            )
            secret = await begin_session(who, request)
        except (ValidationError, KeyError):
            return login_page("Expected a name and a password.", 400)
        except (LoginFailed, TooManyAttempts) as error:
            return login_page(f"{error}.".capitalize(), error.status, error.headers)
        response = await authorize.answer(asked, secret)
        _set_cookie(response, secret, settings.login.session_ttl_s)
        return response

    @api.post("/login", response_model=None)
    async def post_login(request: Request, who: LoginRequest) -> Response:
        _refuse_other_origins(request, settings.tokens.issuer)
        secret = await begin_session(who, request)
        response = Response(status_code=204, headers=_SECRET)
        _set_cookie(response, secret, settings.login.session_ttl_s)
        return response

    @api.post("/logout", response_model=None)
    async def post_logout(request: Request) -> Response:
        _refuse_other_origins(request, settings.tokens.issuer)
        if (secret := request.cookies.get(COOKIE)) is not None:
            await login.end(secret)
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="lax")
        return response

    @api.post("/token", response_model=None)
    async def post_token(request: Request) -> Response:
        form = await read_form(request)
        client = await clients.authenticate(request.headers.get("authorization"), form)
        return JsonResponse(await grants.token(client, form), headers=_SECRET)

    @api.post("/revoke", response_model=None)
    async def post_revocation(request: Request) -> Response:
        form = await read_form(request)
        client = await clients.authenticate(request.headers.get("authorization"), form)
        token = _token_of(form)
        await grants.revoke_refresh(client, token)
        try:
            claims = await tokens.check(token)
        except InvalidToken:  # RFC 7009, section 2.2: a token that does not hold is as good as revoked
            return Response()
        if claims.client_id == client.client_id:
            await tokens.revoke(claims)
        return Response()

    @api.post("/introspect", response_model=None)
    async def post_introspection(request: Request) -> Response:
        form = await read_form(request)
        client = await clients.authenticate(request.headers.get("authorization"), form)
        if client.secret_hash is None or INTROSPECT_SCOPE not in client.scopes:
            raise UnauthorizedClient("the client may not introspect")
        token = _token_of(form)
        known = await grants.active_refresh(token)
        if known is None:
            try:
                claims = await tokens.check(token)
            except InvalidToken:
                return JsonResponse({"active": False}, headers=_SECRET)
            known = {
                "client_id": claims.client_id,
                "tenant": claims.tenant,
                "sub": claims.subject,
                "scope": claims.scope,
                "exp": int(claims.expires_at_s),
                "iat": int(claims.issued_at_s),
                "jti": claims.jti,
                "iss": settings.tokens.issuer,
                "aud": settings.tokens.audience,
                "token_type": "Bearer",
            }
        return JsonResponse({"active": True} | known, headers=_SECRET)

    @api.api_route("/authz", methods=_METHODS, response_model=None, include_in_schema=False)
    @api.api_route("/authz/{path:path}", methods=_METHODS, response_model=None, include_in_schema=False)
    async def any_authz(request: Request, path: str = "") -> Response:
        headers = request.headers
        passed = await authorization.decide(f"/{path}", headers.getlist("authorization"), headers.getlist("x-api-key"))
        return Response(headers=passed)

    if settings.admin_token is not None:
        api.include_router(admin_routes(settings.admin_token, database, passwords, api_keys, keys))

    @api.get("/healthz", response_model=None)
    async def get_health() -> Response:
        return JsonResponse({"status": "alive"})

    @api.get("/readyz", response_model=None)
    async def get_readiness() -> Response:
        reason = "draining" if drain.draining else None
        if reason is None:
            try:
                await database.ready()
            except ServiceError as error:
                reason = f"database: {error}"
        return JsonResponse({"status": reason or "ready"}, 503 if reason else 200)

    @api.exception_handler(ServiceError)
    async def on_service_error(request: Request, error: ServiceError) -> Response:
        request.scope[OUTCOME] = error.outcome
        return JsonResponse(error.content(), error.status, _SECRET | error.headers)

    @api.exception_handler(KeysUnavailable)
    async def on_keys_unavailable(_: Request, error: KeysUnavailable) -> Response:
        return JsonResponse({"error": "temporarily_unavailable", "error_description": str(error)}, 503)

    @api.exception_handler(RequestValidationError)
    async def on_invalid_request(_: Request, error: RequestValidationError) -> Response:
        fields = ", ".join(sorted({".".join(map(str, one["loc"][1:])) or "body" for one in error.errors()}))
        content = {"error": "invalid_request", "error_description": f"not as expected: {fields}"}
        return JsonResponse(content, 422, _SECRET)

    return ServerSpans(api, tracing)


def _metadata(settings: TokenSettings) -> dict[str, Any]:
    """RFC 8414, section 2."""
    issuer = settings.issuer
    methods = ["client_secret_basic", "client_secret_post"]
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "revocation_endpoint": f"{issuer}/revoke",
        "introspection_endpoint": f"{issuer}/introspect",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "response_types_supported": ["code"],
        "grant_types_supported": list(GRANTS),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [*methods, "none"],
        "revocation_endpoint_auth_methods_supported": [*methods, "none"],
        "introspection_endpoint_auth_methods_supported": methods,
        "authorization_response_iss_parameter_supported": True,
    }


def _refuse_other_origins(request: Request, issuer: str) -> None:
    """A browser says where a form comes from; another site may not log somebody in or out."""
    if request.headers.get("origin", issuer) != issuer:
        raise InvalidRequest("the form comes from another origin")


def _set_cookie(response: Response, secret: str, ttl_s: int) -> None:
    response.set_cookie(COOKIE, secret, max_age=ttl_s, path="/", secure=True, httponly=True, samesite="lax")


def _address(request: Request, settings: AuthSettings) -> str:
    """The client's address: what the outermost proxy of ours saw, and nothing that the client could have written."""
    hops = settings.login.forwarded_hops
    forwarded = [each.strip() for value in request.headers.getlist("x-forwarded-for") for each in value.split(",")]
    if hops and len(forwarded) >= hops:
        return forwarded[-hops]
    return request.client.host if request.client is not None else "unknown"


def _token_of(form: dict[str, str]) -> str:
    if not (token := form.get("token")):
        raise InvalidRequest("token is missing")
    return token
