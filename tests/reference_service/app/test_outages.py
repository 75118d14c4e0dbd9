"""The database and the cache go away and come back: bounded errors meanwhile, and work again at once afterwards."""

import concurrent.futures
import time
from uuid import uuid4

import pytest


def timed_chat(app, message: str = "hello") -> tuple[int, str | None, float]:
    began_s = time.perf_counter()
    response = app.chat(message)
    code = response.json()["error"]["code"] if response.status_code != 200 else None
    return response.status_code, code, time.perf_counter() - began_s


def recovery_s(app) -> float:
    """Seconds until a request succeeds, asking all the time."""
    began_s = time.perf_counter()
    while app.chat("back?").status_code != 200:
        assert time.perf_counter() - began_s < 10, "the service did not recover"
    return time.perf_counter() - began_s


@pytest.fixture
def app_behind_wire(start_mock, start_app, wire_to, postgres_url):
    wire, url = wire_to(postgres_url)
    app = start_app(start_mock().url, DB_URL=url, DB_TIMEOUT_MS="500", DB_POOL_TIMEOUT_MS="400")
    return app, wire


def test_a_database_that_refuses_is_unavailable_at_once_and_back_at_once(app_behind_wire):
    app, wire = app_behind_wire
    assert timed_chat(app)[0] == 200
    wire.cut()
    for _ in range(12):  # more than there are connections in the pool
        status, code, took_s = timed_chat(app)
        assert (status, code) == (503, "database_unavailable")
        assert took_s < 0.4
    refused = app.client.get("/readyz")
    assert refused.status_code == 503
    assert "database" in refused.json()["status"]
    assert app.client.get("/healthz").status_code == 200
    wire.heal()
    assert recovery_s(app) < 1.0
    assert app.client.get("/readyz").status_code == 200
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert {status for status, _, _ in pool.map(lambda _: timed_chat(app), range(16))} == {200}


def test_connections_that_died_while_idle_do_no_harm(app_behind_wire):
    app, wire = app_behind_wire
    wire.cut()
    wire.heal()
    for _ in range(6):
        assert timed_chat(app)[0] == 200


def test_a_black_hole_costs_the_time_out_and_no_more(app_behind_wire):
    app, wire = app_behind_wire
    wire.swallow()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for status, code, took_s in pool.map(lambda _: timed_chat(app), range(48)):  # for three seconds
            assert (status, code) == (504, "timeout")
            assert took_s < 1.2
    wire.heal()
    assert recovery_s(app) < 1.5


def test_a_cache_in_trouble_costs_its_time_out_and_no_request(start_mock, start_app, wire_to, valkey_url):
    wire, url = wire_to(valkey_url)
    llm = start_mock()
    app = start_app(llm.url, CACHE_URL=url, CACHE_TIMEOUT_MS="100", CACHE_TTL_S="60")
    question = f"cached? {uuid4()}"
    assert app.chat(question).json()["cached"] is False
    assert app.chat(question).json()["cached"] is True
    wire.cut()
    assert app.chat(question).json()["cached"] is False
    wire.heal()
    assert app.chat(question).json()["cached"] is True
    wire.swallow()
    began_s = time.perf_counter()
    assert app.chat(question).json()["cached"] is False
    assert 0.2 <= time.perf_counter() - began_s < 1.2  # get and set, 100 ms each
    wire.heal()
    assert app.chat(question).json()["cached"] is True


def test_a_replica_that_starts_before_its_database_becomes_ready_later(
    serve, app_environment, start_mock, wire_to, postgres_url, wait_until
):
    from windtunnel.reference_service.app.service import build_app
    from windtunnel.reference_service.app.settings import AppSettings
    from windtunnel.reference_service.serving import Drain

    wire, url = wire_to(postgres_url)
    wire.cut()
    settings = AppSettings.read(app_environment(start_mock().url, DB_URL=url))
    app = serve(build_app(settings, Drain(notice_s=0.0, limit_s=2)))
    assert app.client.get("/readyz").status_code == 503
    wire.heal()
    wait_until(lambda: app.client.get("/readyz").status_code == 200, within_s=3)
    assert app.chat("hello").status_code == 200
