"""The gateway's call, API keys, and administration."""

import pytest

from tests.reference_service.auth.conftest import ADMIN
from windtunnel.reference_service.auth.authz import needed_scope

SCOPES = {"/v1/chat": "chat", "/v1": "read", "/v1/chat/admin": "admin"}


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/v1/chat", "chat"),
        ("/v1/chat/", "chat"),
        ("/v1/chat/stream", "chat"),
        ("/v1/chatter", "read"),
        ("/v1/chat/admin/x", "admin"),
        ("/v1", "read"),
        ("/v2", None),
        ("/", None),
        ("/v1/chat/../chat/admin", None),
        ("/v1//chat", None),
        ("/v1/./chat", None),
    ],
)
def test_the_longest_prefix_says_which_scope_a_path_needs(path, scope):
    assert needed_scope(SCOPES, path) == scope
    assert needed_scope({"/": "any"}, "/v9/x") == "any"


def test_api_keys_are_shown_once_stored_hashed_and_revocable(start_auth):
    auth = start_auth()
    made = auth.admin("api-keys", tenant="acme", scopes=["chat", "read"])
    key = made["api_key"]
    assert key.startswith("wtk_")
    passed = auth.authz(**{"x-api-key": key})
    assert passed.status_code == 200
    assert passed.headers["x-tenant"] == "acme"
    assert (passed.headers["x-subject"], passed.headers["x-scope"]) == (f"key:{made['key_id']}", "chat read")
    assert auth.bearer(key) == 200
    everything = auth.sql("SELECT api_keys::text FROM auth.api_keys")[0][0]
    assert key not in everything
    assert key[20:] not in everything
    assert auth.authz(**{"x-api-key": key[:-1] + ("A" if key[-1] != "A" else "B")}).status_code == 401
    admin = {"authorization": f"Bearer {ADMIN}"}
    assert auth.client.delete(f"/admin/api-keys/{made['key_id']}", headers=admin).status_code == 204
    assert auth.authz(**{"x-api-key": key}).status_code == 401
    assert auth.bearer(key) == 401


def test_every_method_is_asked_and_refusals_say_how(start_auth):
    auth = start_auth(AUTHZ_SCOPES='{"/v1/chat": "chat", "/v1/admin": "admin"}')
    token = auth.token_of(auth.machine())
    good = {"authorization": f"Bearer {token}"}
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert auth.client.request(method, "/authz/v1/chat?x=1", headers=good).status_code == 200
        assert auth.client.request(method, "/authz/v1/chat").status_code == 401
    nobody = auth.authz()
    assert nobody.headers["www-authenticate"].startswith("Bearer ")
    for path, scope in (("/v1/admin", "admin"), ("/elsewhere", None), ("/v1/%2e%2e/v1/chat", None)):
        refused = auth.client.get(f"/authz{path}", headers=good)
        assert refused.status_code == 403, path
        challenge = refused.headers["www-authenticate"]
        assert 'error="insufficient_scope"' in challenge
        assert (f'scope="{scope}"' in challenge) == (scope is not None)


def test_one_credential_at_a_time(start_auth):
    auth = start_auth()
    token = auth.token_of(auth.machine())
    key = auth.admin("api-keys", tenant="globex")["api_key"]
    for headers in (
        [("authorization", f"Bearer {token}"), ("x-api-key", key)],
        [("authorization", f"Bearer {token}"), ("authorization", f"Bearer {token}")],
        [("authorization", "Basic YTpi")],
        [("x-api-key", token)],
        [("authorization", token)],
    ):
        assert auth.client.get("/authz/x", headers=headers).status_code == 401


def test_administration_asks_for_its_token(start_auth):
    auth = start_auth()
    body = {"tenant": "acme", "username": "eve", "password": "x" * 12}
    for header in ({}, {"authorization": "Bearer wrong"}, {"authorization": ADMIN}, {"authorization": "Bearer "[:-1]}):
        assert auth.client.post("/admin/users", json=body, headers=header).status_code == 401
    admin = {"authorization": f"Bearer {ADMIN}"}
    assert auth.client.post("/admin/users", json=body, headers=admin).status_code == 201
    assert auth.client.post("/admin/users", json=body, headers=admin).status_code == 409
    short = auth.client.post("/admin/users", json=body | {"password": "too-short"}, headers=admin)
    assert (short.status_code, "too-short" in short.text) == (422, False)
    public = {"client_id": "c", "tenant": "acme", "public": True, "grants": ["client_credentials"]}
    assert auth.client.post("/admin/clients", json=public, headers=admin).status_code == 400
    closed = start_auth(ADMIN_TOKEN="")
    assert closed.client.post("/admin/users", json=body, headers=admin).status_code == 404


def test_a_database_that_is_away_lets_nobody_pass(start_auth, auth_environment, wire_to, wait_until):
    wire, url = wire_to(auth_environment["DB_URL"])
    auth = start_auth(DB_URL=url, DB_TIMEOUT_MS="2000", DB_POOL_TIMEOUT_MS="500")
    token = auth.token_of(auth.machine())
    assert auth.bearer(token) == 200
    wire.cut()
    assert auth.bearer(token) in (503, 504)
    assert auth.client.get("/readyz").status_code == 503
    wire.heal()
    wait_until(lambda: auth.bearer(token) == 200, what="recovery")
