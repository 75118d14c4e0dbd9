"""The processes as the stack starts them: from their environment, until a signal, with an orderly end."""

import signal
import threading

import httpx
import pytest


def constant(value: float) -> str:
    return f'{{"kind":"constant","value":{value}}}'


@pytest.fixture
def processes(start_process, app_environment, wait_until):
    """The mock and the app as processes; an answer takes about a second."""
    mock = {
        **{"PORT": "0", "COMPONENT": "llm", "SEED": "7", "SLOTS": "4"},
        **{"FIRST_TOKEN_MS": constant(100), "TOKEN_MS": constant(100), "OUTPUT_TOKENS": constant(10)},
    }
    _, llm_url = start_process("windtunnel.reference_service.mock_llm", mock)
    app, app_url = start_process("windtunnel.reference_service.app", app_environment(llm_url, DRAIN_NOTICE_MS="1500"))
    wait_until(lambda: httpx.get(f"{app_url}/readyz").status_code == 200)
    return app, app_url


def test_on_sigterm_readiness_fails_first_and_streams_finish(processes, wait_until):
    app, url = processes
    events: list[str] = []
    started = threading.Event()

    def read_stream() -> None:
        body = {"message": "finish?", "stream": True}
        with httpx.stream("POST", f"{url}/v1/chat", json=body, timeout=20) as response:
            for line in response.iter_lines():
                if line.startswith("event: "):
                    events.append(line.removeprefix("event: "))
                    started.set()

    reader = threading.Thread(target=read_stream)
    reader.start()
    assert started.wait(10)
    app.send_signal(signal.SIGTERM)
    # The listening socket is still open when readiness fails already.
    wait_until(lambda: httpx.get(f"{url}/readyz").status_code == 503, within_s=1.2)
    assert httpx.get(f"{url}/readyz").json()["status"] == "draining"
    reader.join(timeout=20)
    assert events == ["start", *["delta"] * 10, "done"]
    assert app.wait(timeout=10) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz")


def test_a_stream_that_outlasts_the_drain_ends_with_an_explicit_error(serve, start_mock, app_environment, wait_until):
    from windtunnel.reference_service.app.service import build_app
    from windtunnel.reference_service.app.settings import AppSettings
    from windtunnel.reference_service.serving import Drain

    llm = start_mock(TOKEN_MS=constant(5000))
    drain = Drain(notice_s=0.0, limit_s=1)
    app = serve(build_app(AppSettings.read(app_environment(llm.url)), drain), drain)
    wait_until(lambda: app.client.get("/readyz").status_code == 200)
    with app.client.stream("POST", "/v1/chat", json={"message": "long", "stream": True}) as response:
        lines = response.iter_lines()
        assert next(lines) == "event: start"
        app.server.handle_exit(signal.SIGTERM, None)
        rest = list(lines)
    assert rest[-3] == "event: error"
    assert '"shutting_down"' in rest[-2]
    wait_until(lambda: llm.ledger()["cancelled"] == 1)
