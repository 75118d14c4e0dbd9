"""Settings say what is missing, and secrets are in no repr, error, log or answer."""

import os
import subprocess
import sys

import pytest

from tests.reference_service.auth.conftest import KEY_SECRET
from windtunnel.reference_service.auth.settings import AuthSettings, Defences
from windtunnel.reference_service.environment import SettingError

GOOD = {
    **{"PORT": "8000", "COMPONENT": "auth", "SEED": "7", "ISSUER": "https://auth", "AUDIENCE": "app"},
    **{"DB_URL": "postgresql://auth:canary-db@db:5432/app", "DB_TIMEOUT_MS": "2000"},
    **{"DB_POOL": "8", "DB_POOL_TIMEOUT_MS": "500", "KEY_ENCRYPTION_SECRET": KEY_SECRET},
}


def test_secrets_are_hidden():
    settings = AuthSettings.read(GOOD | {"ADMIN_TOKEN": "canary-admin-0123456789-0123456789"})
    shown = repr(settings)
    assert settings.admin_token is not None
    for secret in ("canary", KEY_SECRET, repr(settings.tokens.key_secret)):
        assert secret not in shown


@pytest.mark.parametrize("name", sorted(GOOD))
def test_every_variable_is_missed(name):
    with pytest.raises(SettingError, match=f"{name} is missing: expected"):
        AuthSettings.read({key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value", "repeated"),
    [
        ("KEY_ENCRYPTION_SECRET", "canary", False),
        ("DB_URL", "canary://auth:canary@db", False),
        ("ADMIN_TOKEN", "canary", False),
        ("SIGNING_ALGORITHM", "HS256", True),
        ("ISSUER", "https://auth/", True),
        ("ISSUER", "auth", True),
        ("AUTHZ_SCOPES", '{"v1": "chat"}', True),
        ("AUTHZ_SCOPES", "[", True),
        ("DEFENCES_OFF", "pkce, everything", True),
    ],
)
def test_what_is_malformed_is_named_and_secrets_are_not_repeated(name, value, repeated):
    with pytest.raises(SettingError, match=f"^{name} is ") as found:
        AuthSettings.read(GOOD | {name: value})
    assert (value in str(found.value)) == repeated


def test_defences_are_on_unless_named():
    assert AuthSettings.read(GOOD).defences == Defences()
    off = AuthSettings.read(GOOD | {"DEFENCES_OFF": "pkce, lockout"}).defences
    assert off == Defences(pkce=False, lockout=False)


def test_the_process_ends_with_one_sentence():
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    command = [sys.executable, "-m", "windtunnel.reference_service.auth"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("COMPONENT is missing") or found.stderr.startswith("PORT is missing")
    assert found.stderr.count("\n") == 1


def test_no_secret_is_in_answers_logs_or_the_database(start_auth, capfd, caplog):
    auth = start_auth()
    auth.page()
    secret = auth.machine()
    key = auth.admin("api-keys", tenant="acme")["api_key"]
    session = auth.session()
    code = auth.code(session)
    tokens = auth.redeem(code).json()
    answers = [
        auth.redeem(code),
        auth.refresh(tokens["refresh_token"]),
        auth.login("canary-password"),
        auth.form("/token", ("robot", f"{secret}x"), grant_type="client_credentials"),
        auth.form("/token", ("robot", secret), grant_type=secret),
        auth.authz(authorization=f"Bearer {tokens['access_token']}x"),
        auth.authz(**{"x-api-key": f"{key}x"}),
        auth.client.post("/login", json={"password": "canary-password"}),
        auth.client.get("/authorize", params={"client_id": secret}),
    ]
    assert all(400 <= answer.status_code < 500 for answer in answers)
    tables = [name for (name,) in auth.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'auth'")]
    rows = "".join(str(auth.sql(f"SELECT t::text FROM auth.{table} t")) for table in tables)
    assert "robot" in rows
    written = "".join(capfd.readouterr()) + caplog.text
    cookie = session["cookie"].partition("=")[2]
    for each in (secret, key, cookie, code, tokens["refresh_token"], tokens["access_token"], "correct horse"):
        assert each not in rows
        assert each not in written
        assert not [answer.url for answer in answers if each in answer.text + str(answer.headers)]
    assert not [answer.url for answer in answers if "canary" in answer.text]
