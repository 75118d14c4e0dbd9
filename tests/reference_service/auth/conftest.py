"""Auth services on a database of their own, and what a test needs to use them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest

from windtunnel.reference_service.auth.keys import unwrap
from windtunnel.reference_service.auth.service import build_app
from windtunnel.reference_service.auth.settings import AuthSettings
from windtunnel.reference_service.serving import Drain

ISSUER = "https://auth.test"
ADMIN = "an-administrator-of-this-test-only"
KEY_SECRET = base64.urlsafe_b64encode(bytes(range(32))).rstrip(b"=").decode()
PASSWORD = "correct horse battery"
REDIRECT = "https://page.test/back"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "response_type": "code",
    "client_id": "page",
    "redirect_uri": REDIRECT,
    "state": "s-1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@pytest.fixture(scope="session")
def auth_database(postgres_url: str) -> str:
    """A database beside the app's; it goes with its server."""
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE auth_tests")
    return postgres_url.rsplit("/", 1)[0] + "/auth_tests"


@pytest.fixture
def database(auth_database: str) -> str:
    """The database, without anything of an earlier test: to make a new one takes ten times as long."""
    with psycopg.connect(auth_database, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning; DROP SCHEMA IF EXISTS auth CASCADE")
    return auth_database


@pytest.fixture
def auth_environment(database: str) -> dict[str, str]:
    return {
        **{"PORT": "0", "COMPONENT": "auth", "SEED": "7", "ISSUER": ISSUER, "AUDIENCE": "app"},
        **{"DB_URL": database, "DB_TIMEOUT_MS": "10000", "DB_POOL": "4", "DB_POOL_TIMEOUT_MS": "10000"},
        **{"KEY_ENCRYPTION_SECRET": KEY_SECRET, "ADMIN_TOKEN": ADMIN, "DRAIN_NOTICE_MS": "0"},
        **{"ARGON2_TIME_COST": "1", "ARGON2_MEMORY_KIB": "64"},
    }


@dataclass
class Auth:
    """A replica, and the steps of a client of it."""

    client: httpx.Client
    database: str

    def admin(self, path: str, **body: object) -> dict:
        response = self.client.post(f"/admin/{path}", json=body, headers={"authorization": f"Bearer {ADMIN}"})
        assert response.status_code in (201, 204), response.text
        return response.json() if response.content else {}

    def machine(self, client_id: str = "robot", tenant: str = "acme", scopes: tuple[str, ...] = ("chat",)) -> str:
        """Registers a client of the client-credentials grant; returns its secret."""
        made = self.admin("clients", client_id=client_id, tenant=tenant, scopes=scopes, grants=["client_credentials"])
        return made["client_secret"]

    def page(self) -> None:
        """Registers a public client and a user, both of acme."""
        grants = ["authorization_code", "refresh_token"]
        page = {"client_id": "page", "tenant": "acme", "public": True, "scopes": ["chat", "read"]}
        self.admin("clients", **page, grants=grants, redirect_uris=[REDIRECT])
        self.admin("users", tenant="acme", username="ann", password=PASSWORD)

    def form(self, path: str, auth: tuple[str, str] | None = None, **form: str) -> httpx.Response:
        return self.client.post(path, data=form, auth=auth)

    def login(self, password: str = PASSWORD, **who: str) -> httpx.Response:
        return self.client.post("/login", json={"tenant": "acme", "username": "ann", "password": password} | who)

    def session(self) -> dict[str, str]:
        """The header of a browser that is logged in (httpx keeps no Secure cookie for plain HTTP)."""
        response = self.login()
        assert response.status_code == 204, response.text
        return {"cookie": response.headers["set-cookie"].partition(";")[0]}

    def authorize(self, session: dict[str, str], **changed: str) -> httpx.Response:
        return self.client.get("/authorize", params=ASKED | changed, headers=session)

    def code(self, session: dict[str, str] | None = None) -> str:
        response = self.authorize(session or self.session())
        assert response.status_code == 303, response.text
        return answer_of(response)["code"]

    def redeem(self, code: str, **changed: str) -> httpx.Response:
        form = {"grant_type": "authorization_code", "client_id": "page", "code": code}
        return self.form("/token", **form | {"redirect_uri": REDIRECT, "code_verifier": VERIFIER} | changed)

    def refresh(self, token: str, **changed: str) -> httpx.Response:
        return self.form(
            "/token", **{"grant_type": "refresh_token", "client_id": "page", "refresh_token": token} | changed
        )

    def token_of(self, secret: str, client_id: str = "robot") -> str:
        response = self.form("/token", (client_id, secret), grant_type="client_credentials")
        assert response.status_code == 200, response.text
        return response.json()["access_token"]

    def authz(self, path: str = "/v1/chat", **headers: str) -> httpx.Response:
        return self.client.get(f"/authz{path}", headers=headers)

    def bearer(self, token: str) -> int:
        """The status with which the gateway's call answers to this token."""
        return self.authz(authorization=f"Bearer {token}").status_code

    def sql(self, statement: str, *parameters: object) -> list[tuple]:
        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def signing_key(self) -> tuple[str, object]:
        """Kid and private key of the current key, for forgeries."""
        query = "SELECT kid, private_wrapped FROM auth.signing_keys WHERE state = 'current'"
        [(kid, wrapped)] = self.sql(query)
        return kid, unwrap(bytes(range(32)), kid, wrapped)


def answer_of(response: httpx.Response) -> dict[str, str]:
    """What a redirect carries back to the client."""
    return {name: value for name, [value] in parse_qs(urlsplit(response.headers["location"]).query).items()}


@pytest.fixture
def start_auth(
    auth_environment: dict[str, str], serve: Callable[..., object], wait_until: Callable[..., None]
) -> Callable[..., Auth]:
    """Starts a replica; several share the test's database."""

    def start(**overrides: str) -> Auth:
        drain = Drain(notice_s=0.0, limit_s=2)
        running = serve(build_app(AuthSettings.read(auth_environment | overrides), drain), drain)
        auth = Auth(running.client, auth_environment["DB_URL"])
        wait_until(lambda: auth.client.get("/readyz").status_code == 200, what="readiness")
        return auth

    return start
