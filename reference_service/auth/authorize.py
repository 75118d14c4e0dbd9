"""The authorization endpoint (RFC 6749, 7636, 9207): from a login in a browser to a code for the client.

GET  /authorize?response_type=code&client_id&redirect_uri&scope&state&code_challenge&code_challenge_method=S256
POST the same, with username and password as a form

A wrong client or redirect address is told to the user, never to the address; every other error goes back to the
client. PKCE is required of all clients, with S256.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from starlette.responses import HTMLResponse, RedirectResponse, Response

from windtunnel.reference_service.auth.clients import Client, Clients
from windtunnel.reference_service.auth.errors import InvalidRequest, OAuthError
from windtunnel.reference_service.auth.forms import parse_form
from windtunnel.reference_service.auth.grants import Grants
from windtunnel.reference_service.auth.login import Login, Session
from windtunnel.reference_service.auth.settings import Defences, TokenSettings

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # the SHA-256 of a verifier in base64url
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Log in</title>
<p role="alert">{message}
<form method="post">
<p><label>Name <input name="username" autocomplete="username" required></label>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<p><button>Log in</button>
</form></html>
"""
_PAGE_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True)
class Asked:
    """A request for authorization whose client and redirect address are right."""

    client: Client
    redirect_uri: str
    parameters: dict[str, str]


class Authorize:
    """Answers the browser."""

    def __init__(
        self, settings: TokenSettings, defences: Defences, clients: Clients, login: Login, grants: Grants
    ) -> None:
        self._issuer = settings.issuer
        self._pkce = defences.pkce
        self._clients = clients
        self._login = login
        self._grants = grants

    async def asked(self, query: bytes) -> Asked:
        """Raises `InvalidRequest` when there is nobody that an answer could be sent to."""
        parameters = parse_form(query)
        client = await self._clients.find(parameters.get("client_id", ""))
        redirect_uri = parameters.get("redirect_uri", "")
        if client is None or redirect_uri not in client.redirect_uris:
            raise InvalidRequest("unknown client, or a redirect_uri that is not registered for it")
        return Asked(client, redirect_uri, parameters)

    async def answer(self, asked: Asked, session_secret: str | None) -> Response:
        """A code for who is logged in, else the form."""
        session = await self._login.session(session_secret, asked.client.tenant)
        if session is None:
            return login_page("")
        return await self.code(asked, session)

    async def code(self, asked: Asked, session: Session) -> Response:
        """Back to the client with a code or an error."""
        parameters = asked.parameters
        try:
            challenge = self._checked(parameters)
            asked.client.require("authorization_code")
            scope = asked.client.scope(parameters.get("scope"))
        except OAuthError as error:
            return self._back(asked, {"error": error.code, "error_description": str(error)})
        code = await self._grants.code(asked.client, session, scope, asked.redirect_uri, challenge)
        return self._back(asked, {"code": code})

    def _checked(self, parameters: dict[str, str]) -> str:
        """The PKCE challenge of a request that is right."""
        if parameters.get("response_type") != "code":
            raise InvalidRequest("response_type has to be code")
        challenge = parameters.get("code_challenge", "")
        if self._pkce and (parameters.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge)):
            raise InvalidRequest("expected a code_challenge with code_challenge_method=S256")
        return challenge

    def _back(self, asked: Asked, answer: dict[str, str]) -> Response:
        state = {"state": asked.parameters["state"]} if "state" in asked.parameters else {}
        joint = "&" if urlsplit(asked.redirect_uri).query else "?"
        address = asked.redirect_uri + joint + urlencode(answer | state | {"iss": self._issuer})
        return RedirectResponse(address, 303, headers={"cache-control": "no-store", "referrer-policy": "no-referrer"})


def login_page(message: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The form; `message` is ours and needs no escaping."""
    return HTMLResponse(_PAGE.format(message=message), status, _PAGE_HEADERS | dict(headers or {}))
