"""The token endpoint: client credentials, code with PKCE, refresh with rotation and reuse detection, revocation."""

import base64
import json
import threading

import pytest

from tests.reference_service.auth.conftest import CHALLENGE, ISSUER, PASSWORD, REDIRECT, answer_of


def claims_of(token: str) -> dict:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def test_client_credentials_give_a_short_token_of_the_tenant(start_auth):
    auth = start_auth()
    secret = auth.machine(scopes=("chat", "read"))
    response = auth.form("/token", ("robot", secret), grant_type="client_credentials", scope="chat")
    body = response.json()
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 300, "chat")
    claims = claims_of(body["access_token"])
    assert claims.keys() == {"iss", "aud", "sub", "tenant", "client_id", "scope", "iat", "nbf", "exp", "jti"}
    assert (claims["iss"], claims["aud"], claims["sub"], claims["tenant"]) == (ISSUER, "app", "robot", "acme")
    assert claims["exp"] - claims["iat"] == 300
    in_form = auth.form("/token", grant_type="client_credentials", client_id="robot", client_secret=secret)
    assert claims_of(in_form.json()["access_token"])["scope"] == "chat read"


def test_requests_for_tokens_that_are_refused(start_auth):
    auth = start_auth()
    good = ("robot", auth.machine())
    table = [
        ({"grant_type": "client_credentials"}, ("robot", "wrong"), 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, ("nobody", "wrong"), 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, None, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "robot"}, None, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_secret": good[1]}, good, 400, "invalid_request"),
        ({"grant_type": "client_credentials", "scope": "chat admin"}, good, 400, "invalid_scope"),
        ({"grant_type": "password"}, good, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, good, 400, "unauthorized_client"),
        ({}, good, 400, "invalid_request"),
    ]
    for form, who, status, error in table:
        response = auth.form("/token", who, **form)
        assert (response.status_code, response.json()["error"]) == (status, error), form
    twice = auth.client.post(
        "/token",
        content=b"grant_type=client_credentials&scope=a&scope=b",
        headers={"content-type": "application/x-www-form-urlencoded"},
        auth=good,
    )
    assert (twice.status_code, twice.json()["error"]) == (400, "invalid_request")


def test_a_login_leads_to_a_code_and_the_code_to_tokens(start_auth):
    auth = start_auth()
    auth.page()
    form = auth.authorize({})
    assert (form.status_code, "password" in form.text) == (200, True)
    assert form.headers["content-security-policy"].startswith("default-src 'none'")
    posted = auth.client.post(f"/authorize?{form.url.query.decode()}", data={"username": "ann", "password": PASSWORD})
    assert posted.status_code == 303
    assert posted.headers["location"].startswith(f"{REDIRECT}?")
    assert (answer_of(posted)["state"], answer_of(posted)["iss"]) == ("s-1", ISSUER)
    cookie = posted.headers["set-cookie"]
    assert all(word in cookie for word in ("__Host-session=", "HttpOnly", "Secure", "SameSite=lax", "Path=/"))
    body = auth.redeem(answer_of(posted)["code"]).json()
    claims = claims_of(body["access_token"])
    assert (claims["tenant"], claims["client_id"], claims["scope"]) == ("acme", "page", "chat read")
    assert auth.bearer(body["access_token"]) == 200
    wrong = auth.client.post(f"/authorize?{form.url.query.decode()}", data={"username": "ann", "password": "wrong"})
    assert (wrong.status_code, "Unknown user or wrong password" in wrong.text) == (401, True)


def test_requests_for_a_code_that_are_refused(start_auth):
    auth = start_auth()
    auth.page()
    session = auth.session()
    for changed in ({"redirect_uri": f"{REDIRECT}/../evil"}, {"client_id": "nobody"}):
        response = auth.authorize(session, **changed)
        assert (response.status_code, "location" in response.headers) == (400, False), changed
    table = [
        ({"response_type": "token"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "admin"}, "invalid_scope"),
    ]
    for changed, error in table:
        answer = answer_of(auth.authorize(session, **changed))
        assert (answer["error"], answer["state"]) == (error, "s-1"), changed
        assert "code" not in answer


@pytest.mark.parametrize(
    "changed",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"code_verifier": CHALLENGE},  # as the method plain would have it
        {"redirect_uri": "https://evil.test/back"},
        {"code": "wtc_guessed"},
    ],
    ids=str,
)
def test_a_code_is_bound_to_its_verifier_and_its_address(start_auth, changed):
    auth = start_auth()
    auth.page()
    code = auth.code()
    refused = auth.redeem(**{"code": code} | changed)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert auth.redeem(code).status_code == 200


def test_a_code_is_bound_to_its_client_and_its_time(start_auth):
    auth = start_auth()
    auth.page()
    other = {"client_id": "other", "tenant": "acme", "public": True, "redirect_uris": [REDIRECT]}
    auth.admin("clients", **other, grants=["authorization_code"])
    code = auth.code()
    assert auth.redeem(code, client_id="other").json()["error"] == "invalid_grant"
    auth.sql("UPDATE auth.codes SET expires_at = now() - interval '1 second'")
    assert auth.redeem(code).json()["error"] == "invalid_grant"


def test_a_code_used_twice_revokes_what_it_gave(start_auth):
    auth = start_auth()
    auth.page()
    code = auth.code()
    tokens = auth.redeem(code).json()
    assert auth.bearer(tokens["access_token"]) == 200
    assert auth.redeem(code).json()["error"] == "invalid_grant"
    assert auth.bearer(tokens["access_token"]) == 401
    assert auth.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_refresh_rotates_and_reuse_revokes_the_family(start_auth):
    auth = start_auth()
    auth.page()
    first = auth.redeem(auth.code()).json()
    second = auth.refresh(first["refresh_token"], scope="chat").json()
    assert (second["scope"], second["refresh_token"] != first["refresh_token"]) == ("chat", True)
    third = auth.refresh(second["refresh_token"]).json()
    assert third["scope"] == "chat read"  # narrowing one access token narrows no grant
    assert auth.refresh(third["refresh_token"], scope="admin").json()["error"] == "invalid_scope"
    other_family = auth.redeem(auth.code()).json()
    assert auth.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert auth.refresh(third["refresh_token"]).json()["error"] == "invalid_grant"
    assert [auth.bearer(each["access_token"]) for each in (first, second, third)] == [401, 401, 401]
    assert auth.refresh(other_family["refresh_token"]).status_code == 200


def test_of_refreshes_at_once_one_is_served(start_auth):
    auth = start_auth()
    auth.page()
    token = auth.redeem(auth.code()).json()["refresh_token"]
    statuses = []
    barrier = threading.Barrier(4)

    def refresh() -> None:
        barrier.wait(timeout=10)
        statuses.append(auth.refresh(token).status_code)

    threads = [threading.Thread(target=refresh) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(statuses) == [200, 400, 400, 400]


def test_refresh_tokens_end_with_their_family_and_belong_to_their_client(start_auth):
    auth = start_auth()
    auth.page()
    auth.admin("clients", client_id="other", tenant="acme", public=True, grants=["refresh_token"])
    token = auth.redeem(auth.code()).json()["refresh_token"]
    assert auth.refresh(token, client_id="other").json()["error"] == "invalid_grant"
    auth.sql("UPDATE auth.families SET expires_at = now() - interval '1 second'")
    assert auth.refresh(token).json()["error"] == "invalid_grant"


def test_revocation_of_access_and_refresh_tokens(start_auth):
    auth = start_auth()
    auth.page()
    secret = auth.machine()
    token, bystander = auth.token_of(secret), auth.token_of(secret)
    assert auth.form("/revoke", client_id="page", token=token).status_code == 200
    assert auth.bearer(token) == 200  # it was not the page's
    assert auth.form("/revoke", ("robot", secret), token=token).status_code == 200
    assert (auth.bearer(token), auth.bearer(bystander)) == (401, 200)
    tokens = auth.redeem(auth.code()).json()
    assert auth.form("/revoke", ("robot", secret), token=tokens["refresh_token"]).status_code == 200
    assert auth.bearer(tokens["access_token"]) == 200
    assert auth.form("/revoke", client_id="page", token=tokens["refresh_token"]).status_code == 200
    assert auth.bearer(tokens["access_token"]) == 401
    assert auth.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert auth.form("/revoke", client_id="page", token="never-heard-of").status_code == 200
    assert auth.form("/revoke", ("robot", "wrong"), token=bystander).status_code == 401


def test_introspection_is_for_those_who_may(start_auth):
    auth = start_auth()
    auth.page()
    secret = auth.machine()
    gateway = ("gateway", auth.machine("gateway", "operations", ("auth:introspect",)))
    token = auth.token_of(secret)
    assert auth.form("/introspect", ("robot", secret), token=token).json()["error"] == "unauthorized_client"
    seen = auth.form("/introspect", gateway, token=token).json()
    assert (seen["active"], seen["tenant"], seen["sub"], seen["scope"]) == (True, "acme", "robot", "chat")
    tokens = auth.redeem(auth.code()).json()
    assert auth.form("/introspect", gateway, token=tokens["refresh_token"]).json()["active"] is True
    auth.refresh(tokens["refresh_token"])
    for dead in (tokens["refresh_token"], "nonsense", "a.b.c"):
        assert auth.form("/introspect", gateway, token=dead).json() == {"active": False}
