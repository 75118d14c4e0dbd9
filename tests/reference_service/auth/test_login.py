"""Sessions, passwords, and the limit of attempts."""

import os
import signal
import statistics
import threading
import time

import httpx
import pytest

from tests.reference_service.auth.conftest import ADMIN, ASKED, PASSWORD


def test_a_login_survives_the_death_of_its_replica(start_process, auth_environment, wait_until):
    module = "windtunnel.reference_service.auth"
    environment = auth_environment | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    (doomed, first), (_, second) = (start_process(module, environment) for _ in range(2))
    for url in (first, second):
        wait_until(lambda url=url: httpx.get(f"{url}/readyz").status_code == 200, what="readiness")
    admin = {"authorization": f"Bearer {ADMIN}"}
    page = {"client_id": "page", "tenant": "acme", "public": True, "grants": ["authorization_code"]}
    page |= {"redirect_uris": [ASKED["redirect_uri"]]}
    ann = {"tenant": "acme", "username": "ann", "password": PASSWORD}
    assert httpx.post(f"{first}/admin/clients", json=page, headers=admin).status_code == 201
    assert httpx.post(f"{first}/admin/users", json=ann, headers=admin).status_code == 201
    cookie = httpx.post(f"{first}/login", json=ann).headers["set-cookie"].partition(";")[0]
    doomed.send_signal(signal.SIGKILL)
    doomed.wait(timeout=10)
    answer = httpx.get(f"{second}/authorize", params=ASKED, headers={"cookie": cookie})
    assert (answer.status_code, "code=" in answer.headers["location"]) == (303, True)


def test_sessions_end_with_logout_time_and_tenant(start_auth):
    auth = start_auth()
    auth.page()
    session = auth.session()
    tokens = auth.redeem(auth.code(session)).json()
    assert auth.client.post("/logout", headers=session).status_code == 204
    assert auth.authorize(session).status_code == 200  # the form again
    assert auth.bearer(tokens["access_token"]) == 401
    assert auth.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    session = auth.session()
    auth.sql("UPDATE auth.sessions SET expires_at = now() - interval '1 s'")
    assert auth.authorize(session).status_code == 200
    other = {"client_id": "theirs", "tenant": "globex", "public": True, "redirect_uris": [ASKED["redirect_uri"]]}
    auth.admin("clients", **other, grants=["authorization_code"])
    assert auth.authorize(auth.session(), client_id="theirs").status_code == 200
    assert auth.authorize({"cookie": "__Host-session=wts_guessed"}).status_code == 200


def test_forms_of_other_origins_are_refused(start_auth):
    auth = start_auth()
    auth.page()
    ann = {"tenant": "acme", "username": "ann", "password": PASSWORD}
    for origin, status in (("https://evil.test", 400), ("null", 400), ("https://auth.test", 204)):
        assert auth.client.post("/login", json=ann, headers={"origin": origin}).status_code == status


def test_attempts_are_limited_for_an_account(start_auth):
    auth = start_auth(LOGIN_ATTEMPTS_PER_ACCOUNT="3")
    auth.page()
    assert [auth.login("wrong").status_code for _ in range(2)] == [401, 401]
    assert auth.login().status_code == 204  # which forgets the two before
    assert [auth.login("wrong").status_code for _ in range(4)] == [401, 401, 401, 429]
    locked = auth.login()
    assert (locked.status_code, locked.json()["error"]) == (429, "too_many_attempts")
    assert 0 < int(locked.headers["retry-after"]) <= 300
    auth.admin("users", tenant="acme", username="bob", password=PASSWORD)
    assert auth.login(username="bob").status_code == 204
    auth.sql("UPDATE auth.login_attempts SET window_ends_at = now() - interval '1 s'")
    assert auth.login().status_code == 204


def test_attempts_are_limited_for_an_address_behind_our_proxy(start_auth):
    auth = start_auth(LOGIN_ATTEMPTS_PER_ADDRESS="2", FORWARDED_HOPS="1")

    def attempt(n: int, forwarded: str) -> int:
        who = {"tenant": "acme", "username": f"user-{n}", "password": "wrong"}
        return auth.client.post("/login", json=who, headers={"x-forwarded-for": forwarded}).status_code

    # What the client itself writes stands on the left and changes nothing.
    assert [attempt(n, f"10.9.9.{n}, 10.0.0.1") for n in range(3)] == [401, 401, 429]
    assert attempt(3, "10.0.0.1, 10.0.0.2") == 401


def test_guesses_at_once_do_not_overrun_the_limit(start_auth):
    auth = start_auth(LOGIN_ATTEMPTS_PER_ACCOUNT="3")
    auth.page()
    statuses = []
    barrier = threading.Barrier(8)

    def guess(n: int) -> None:
        barrier.wait(timeout=10)
        statuses.append(auth.login(f"guess {n}").status_code)

    threads = [threading.Thread(target=guess, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(statuses) == [401] * 3 + [429] * 5


def test_passwords_are_argon2id_and_follow_the_parameters(start_auth):
    auth = start_auth()
    auth.page()
    [(stored,)] = auth.sql("SELECT password_hash FROM auth.users")
    assert stored.startswith("$argon2id$v=19$m=64,t=1,p=")
    assert auth.login().status_code == 204
    assert auth.sql("SELECT password_hash FROM auth.users") == [(stored,)]
    stronger = start_auth(ARGON2_TIME_COST="2")
    assert stronger.login("wrong").status_code == 401
    assert auth.sql("SELECT password_hash FROM auth.users") == [(stored,)]
    assert stronger.login().status_code == 204
    [(renewed,)] = auth.sql("SELECT password_hash FROM auth.users")
    assert renewed.startswith("$argon2id$v=19$m=64,t=2,p=")
    assert auth.login().status_code == 204


def test_an_unknown_user_takes_as_long_and_reads_the_same(start_auth):
    auth = start_auth(ARGON2_MEMORY_KIB="19456", ARGON2_TIME_COST="3", LOGIN_ATTEMPTS_PER_ACCOUNT="99")
    auth.page()
    took: dict[str, list[float]] = {"ann": [], "nobody": []}
    bodies = set()
    for _ in range(5):
        for name, times in took.items():
            began_s = time.perf_counter()
            response = auth.login("wrong", username=name)
            times.append(time.perf_counter() - began_s)
            bodies.add((response.status_code, response.text))
    assert len(bodies) == 1
    known_s, unknown_s = (statistics.median(times) for times in took.values())
    # Without the hash of nobody it would be a small fraction.
    assert unknown_s > 0.4 * known_s


@pytest.mark.parametrize(
    "body", [{"username": "x" * 65}, {"username": "a/b"}, {"tenant": ""}, {"steam": True}], ids=str
)
def test_logins_that_are_no_logins(start_auth, body):
    auth = start_auth()
    response = auth.client.post("/login", json={"tenant": "acme", "username": "ann", "password": "secret-word"} | body)
    assert (response.status_code, response.json()["error"]) == (422, "invalid_request")
    assert "secret-word" not in response.text
