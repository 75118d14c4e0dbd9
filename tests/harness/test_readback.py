"""Promised writes are looked up where the flow says; only an answer can say that one is lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa

from windtunnel.harness.readback import read_back
from windtunnel.spec.architecture import ReadBack
from windtunnel.spec.load_plan import PROMISES

HOW = {"chat": ReadBack(path="/c/{id}", list="messages", id="message_id")}


@contextmanager
def service(answers: dict[str, tuple[int, object]]) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, body = answers[self.path]
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_found_lost_and_unknown_are_three_answers() -> None:
    promises = pa.Table.from_pylist(
        [
            {"request": 0, "id": "kept", "path": "/c/1"},
            {"request": 0, "id": "lost", "path": "/c/1"},
            {"request": 1, "id": "gone", "path": "/c/2"},
            {"request": 2, "id": "unknown", "path": "/c/3"},
            {"request": 3, "id": "strange", "path": "/c/4"},
        ],
        schema=PROMISES,
    )
    answers: dict[str, tuple[int, object]] = {
        "/c/1": (200, {"messages": [{"message_id": "kept"}]}),
        "/c/2": (404, {}),
        "/c/3": (503, {}),
        "/c/4": (200, {"messages": "what is this"}),
    }
    with service(answers) as (url, asked):
        found = read_back(url, promises, dict.fromkeys(range(4), "chat"), HOW)
    assert dict(zip(found["id"].to_pylist(), found["found"].to_pylist(), strict=True)) == {
        "kept": True, "lost": False, "gone": False, "unknown": None, "strange": None,
    }  # fmt: skip
    assert sorted(asked) == ["/c/1", "/c/2", "/c/3", "/c/4"]


def test_a_service_that_is_gone_leaves_everything_unknown() -> None:
    promises = pa.Table.from_pylist([{"request": 0, "id": "a", "path": "/c/1"}], schema=PROMISES)
    with service({}) as (url, _):
        pass
    assert read_back(url, promises, {0: "chat"}, HOW, timeout_s=1)["found"].to_pylist() == [None]
