"""The attack list on the running service: every forgery at the gateway's call and at introspection, and replays."""

import pytest

from tests.reference_service.auth.conftest import ISSUER
from tests.reference_service.auth.forgery import Forger


@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256"])
def test_every_forgery_is_refused_by_the_service(start_auth, algorithm):
    auth = start_auth(SIGNING_ALGORITHM=algorithm)
    gateway = ("gateway", auth.machine("gateway", "operations", ("auth:introspect",)))
    forger = Forger(*auth.signing_key(), ISSUER, "app")
    assert auth.bearer(forger.token()) == 200  # so it is not for a mistake of the forger's that the others fail
    passed = []
    for name, token in forger.attacks().items():
        if token and auth.bearer(token) != 401:  # an empty one is not a header that HTTP can carry
            passed.append(("authz", name))
        if token and auth.form("/introspect", gateway, token=token).json() != {"active": False}:
            passed.append(("introspect", name))
    assert passed == []


def test_a_retired_key_is_refused_once_its_last_token_has_expired(start_auth):
    auth = start_auth()
    secret = auth.machine()
    forger = Forger(*auth.signing_key(), ISSUER, "app")
    token = auth.token_of(secret)
    auth.admin("keys/rotate")
    assert (auth.bearer(token), auth.bearer(forger.token())) == (200, 200)
    auth.sql("UPDATE auth.signing_keys SET published_until = now() WHERE state = 'retired'")
    published = [key["kid"] for key in auth.client.get("/.well-known/jwks.json").json()["keys"]]
    assert forger.kid not in published
    other = start_auth()  # a replica that never saw the key; this one has forgotten it within a second
    assert other.bearer(forger.token()) == 401


def test_a_key_does_not_pass_for_another(start_auth):
    auth = start_auth()
    forger = Forger(*auth.signing_key(), ISSUER, "app")
    auth.admin("keys/rotate")
    assert auth.bearer(forger.token({"kid": auth.signing_key()[0]})) == 401


def test_defences_that_are_off_are_missed(start_auth):
    """With a defence off, the attack that it is there for succeeds: so the tests above would notice its absence."""
    auth = start_auth(DEFENCES_OFF="reuse_detection, pkce,deny_list,audience,lockout", LOGIN_ATTEMPTS_PER_ACCOUNT="1")
    auth.page()
    secret = auth.machine()
    forger = Forger(*auth.signing_key(), ISSUER, "app")
    assert auth.bearer(forger.token(aud="other")) == 200
    token = auth.token_of(secret)
    auth.form("/revoke", ("robot", secret), token=token)
    assert auth.bearer(token) == 200
    code = auth.code()
    first = auth.redeem(code, code_verifier="").json()
    assert auth.redeem(code).status_code == 200
    assert [auth.refresh(first["refresh_token"]).status_code for _ in range(2)] == [200, 200]
    assert [auth.login("wrong").status_code for _ in range(3)] == [401, 401, 401]


def test_x_headers_come_from_the_credential_alone(start_auth):
    auth = start_auth()
    token = auth.token_of(auth.machine())
    answer = auth.authz(authorization=f"Bearer {token}", **{"x-tenant": "evil", "x-subject": "root", "x-scope": "all"})
    assert {name: answer.headers[name] for name in ("x-tenant", "x-subject", "x-scope")} == {
        "x-tenant": "acme",
        "x-subject": "robot",
        "x-scope": "chat",
    }
