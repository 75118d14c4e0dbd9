"""The containers backend on a real Docker engine: official image names, everything else as on the embedded one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import httpx
import psycopg
import pytest

from windtunnel.chaos.capabilities import HttpCall
from windtunnel.chaos.inject import inject
from windtunnel.chaos.toxiproxy import Toxiproxy
from windtunnel.harness.catalogue import architecture
from windtunnel.harness.stack import engine, postgres, removal
from windtunnel.harness.stack.containers import ContainerStack
from windtunnel.harness.stack.errors import Missing
from windtunnel.spec.fault import Latency, Outage

NONCE = bytes.fromhex("00000000000000aa")
PROGRAM = """
import sys
from windtunnel.harness.catalogue import architecture
from windtunnel.harness.stack.containers import ContainerStack
with ContainerStack(*architecture("mvp")):
    print("up", flush=True)
    sys.stdin.read()
"""


def until(seen: Callable[[], object], within_s: float, what: str) -> None:
    deadline = time.monotonic() + within_s
    while not seen():
        assert time.monotonic() < deadline, f"{what}: not within {within_s:g} s"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    try:
        found = engine.connect()
    except Missing as missing:
        if os.environ.get("WINDTUNNEL_REQUIRE_DOCKER"):
            raise
        pytest.skip(str(missing))
    yield found
    found.close()


@pytest.fixture(scope="module")
def scale(client: docker.DockerClient) -> Iterator[ContainerStack]:
    with ContainerStack(*architecture("scale"), seed=3) as stack:
        yield stack
        run = stack.directory.name
    assert remains(client, run) == []


def remains(client: docker.DockerClient, run: str) -> list[str]:
    wanted = {"label": f"{removal.LABEL}={run}"}
    containers = client.containers.list(all=True, sparse=True, filters=wanted)
    return [found.id for found in (*containers, *client.networks.list(filters=wanted))]


def chat(stack: ContainerStack, message: str, request: int) -> httpx.Response:
    trace = NONCE + request.to_bytes(8, "big")
    headers = {"traceparent": f"00-{trace.hex()}-00000000000000a1-01"}
    return httpx.post(
        f"{stack.entry_url}/v1/chat", json={"message": message}, headers=headers, timeout=20, trust_env=False
    )


def container(client: docker.DockerClient, stack: ContainerStack, name: str) -> docker.models.containers.Container:
    return client.containers.get(f"{stack.directory.name}-{name}")


@pytest.mark.docker
def test_answers_and_is_seen_from_all_sides(scale: ContainerStack) -> None:
    assert [instance.name for instance in scale.instances] == [
        *("gateway.0", "app.0", "app.1"),
        *("db.0", "cache.0", "llm.0"),
    ]
    scale.telemetry.clear()
    first, second = chat(scale, "the same", 1), chat(scale, "the same", 2)
    assert (first.status_code, second.status_code) == (200, 200), first.text + second.text
    assert second.json()["answer"] == first.json()["answer"]
    scale.telemetry.wait_quiet(5)
    rows = scale.telemetry.spans(0, lambda trace: int.from_bytes(trace[8:]) if trace[:8] == NONCE else None).to_pylist()
    calls = {(row["caller"], row["callee"]) for row in rows if row["kind"] == "client"}
    assert calls == {("gateway", "app"), ("app", "db"), ("app", "cache"), ("app", "llm")}
    assert {row["callee"] for row in rows if row["kind"] == "server"} == {"gateway", "app", "llm"}
    assert {row["request"] for row in rows} == {1, 2}
    assert scale.strays() == ()
    assert scale.dead() == ()
    used = scale.cpu_seconds()
    assert set(used) == {"gateway", "app", "db", "cache", "llm", "toxiproxy"}
    assert used["app"] > 0.1


@pytest.mark.docker
def test_is_published_on_the_loopback_only(client: docker.DockerClient, scale: ContainerStack) -> None:
    names = ["toxiproxy", *(instance.name for instance in scale.instances)]
    bindings = [
        (name, binding["HostIp"], int(binding["HostPort"]))
        for name in names
        for published in container(client, scale, name).attrs["NetworkSettings"]["Ports"].values()
        for binding in published or ()
    ]
    assert {host for _, host, _ in bindings} == {"127.0.0.1"}
    published = {f"{host}:{port}" for name, host, port in bindings if name == "toxiproxy"}
    assert {proxy.listen for proxy in scale.proxies} < published


@pytest.mark.docker
def test_sees_who_goes_around_a_proxy(client: docker.DockerClient, scale: ContainerStack) -> None:
    around = "import socket, time; s = socket.create_connection(('db-0', 5432)); time.sleep(2)"
    container(client, scale, "app.0").exec_run(["python", "-c", around], detach=True)
    until(scale.strays, 4, "the stray was seen")
    until(lambda: not scale.strays(), 8, "the stray went away")
    in_anothers_name = scale.proxies[0].listen.rpartition(":")[2]
    through = f"import socket, time; s = socket.create_connection(('toxiproxy', {in_anothers_name})); time.sleep(2)"
    container(client, scale, "app.1").exec_run(["python", "-c", through], detach=True)
    until(scale.strays, 4, "the stray was seen")
    (words,) = scale.strays()
    assert words.startswith("app.1 talks to ")
    assert words.endswith(f"(the proxy {scale.proxies[0].name}) directly")
    until(lambda: not scale.strays(), 8, "the stray went away")


@pytest.mark.docker
def test_faults_are_proven_and_healed(scale: ContainerStack) -> None:
    clock = time.monotonic
    slow = Latency(kind="latency", target="app->llm", latency_ms=400)
    with inject(slow, scale, clock=clock) as fault:
        assert fault.proven, fault.evidence
        started_s = clock()
        assert chat(scale, "a slow one", 3).status_code == 200
        assert clock() - started_s > 0.4
    assert fault.injection.proven, fault.injection
    with inject(Outage(kind="outage", target="app->db"), scale, clock=clock) as fault:
        assert fault.proven, fault.evidence
        assert chat(scale, "a refused one", 4).status_code == 503
    assert fault.injection.proven, fault.injection
    until(lambda: chat(scale, "one more", 5).status_code == 200, 10, "the service recovered")


@pytest.mark.docker
def test_a_lease_that_runs_out_heals(scale: ContainerStack) -> None:
    proxy = scale.proxies[0].name
    with Toxiproxy(scale.toxiproxy_url) as toxiproxy:
        scale.lease([HttpCall("DELETE", f"{scale.toxiproxy_url}/proxies/{proxy}/toxics/late")], ttl_s=0.5)
        toxiproxy.add_toxic(proxy, "latency", {"latency": 100}, name="late")
        until(lambda: not toxiproxy.toxics(proxy), 5, "the lease healed")


@pytest.mark.docker
def test_reset_leaves_nothing(scale: ContainerStack) -> None:
    conversation = chat(scale, "to be forgotten", 6).json()["conversation_id"]
    with Toxiproxy(scale.toxiproxy_url) as toxiproxy:
        toxiproxy.add_toxic(scale.proxies[0].name, "latency", {"latency": 1})
        scale.reset()
        assert all(state.enabled and not state.toxics for state in toxiproxy.proxies().values())
    found = httpx.get(f"{scale.entry_url}/v1/conversations/{conversation}", timeout=10, trust_env=False)
    assert found.status_code == 404
    database = next(instance for instance in scale.instances if instance.name == "db.0")
    with psycopg.connect(postgres.url(int(database.address.rpartition(":")[2]))) as connection:
        assert connection.execute("SELECT count(*) FROM messages").fetchone() == (0,)
        assert connection.execute("SELECT '[1,2]'::vector <-> '[1,3]'::vector").fetchone() == (1.0,)


@pytest.mark.docker
def test_the_service_image_is_small_in_rights_and_tells_its_health(
    client: docker.DockerClient, scale: ContainerStack
) -> None:
    app = container(client, scale, "app.0")
    assert app.image.attrs["Config"]["User"] == "10001:10001"
    check = app.image.attrs["Config"]["Healthcheck"]["Test"]
    assert check[0] == "CMD"
    assert app.exec_run(check[1:]).exit_code == 0
    assert app.exec_run(["env", "PORT=1", *check[1:]]).exit_code == 1


@pytest.mark.docker
def test_a_dead_container_is_named_and_the_logs_are_kept(client: docker.DockerClient, tmp_path: Path) -> None:
    with ContainerStack(*architecture("mvp"), keep_logs=tmp_path / "logs") as stack:
        before = stack.cpu_seconds()
        container(client, stack, "llm.0").kill()
        until(stack.dead, 5, "the death was seen")
        (words,) = stack.dead()
        assert words.startswith("llm.0 is exited; its log ends\n")
        assert "listening on http://0.0.0.0:8000" in words
        assert stack.cpu_seconds()["llm"] >= before["llm"] > 0
        beside = stack.start("beside", ["sleep", "60"], {}, tmp_path / "beside.log")
    assert beside.wait(5) == -signal.SIGTERM
    stack.close()
    logs = tmp_path / "logs"
    assert {path.name for path in logs.iterdir()} == {"toxiproxy.log", "app.0.log", "db.0.log", "llm.0.log"}
    assert "listening on" in (logs / "app.0.log").read_text()
    assert not stack.directory.exists()


@pytest.mark.docker
@pytest.mark.parametrize(
    ("when", "number"),
    [("at once", signal.SIGKILL), ("half way", signal.SIGKILL), ("half way", signal.SIGINT), ("up", signal.SIGKILL)],
)
def test_nothing_outlives_the_command(client: docker.DockerClient, when: str, number: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="windtunnel containers "))
    folder.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"TMPDIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdin
        assert process.stdout
        until(lambda: list(folder.glob("windtunnel-stack-*")), 20, "the supervisor was there")
        (directory,) = folder.glob("windtunnel-stack-*")
        if when == "half way":
            until(lambda: len(remains(client, directory.name)) >= 3, 60, "two containers were there")
        elif when == "up":
            assert process.stdout.readline() == b"up\n"
            assert len(remains(client, directory.name)) == 5
        process.send_signal(number)
        process.wait(20)
        # Quiet machines need about one second; the engine is the slow part of it.
        until(lambda: not directory.exists(), 20, "the supervisor was done")
        assert remains(client, directory.name) == []
    finally:
        process.kill()
        process.communicate(timeout=20)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.docker
def test_what_is_missing_is_said_before_anything_starts(
    client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawing, deployment = architecture("mvp")
    parts = drawing.components | {"app": drawing.components["app"].model_copy(update={"module": "theirs.service"})}
    with pytest.raises(Missing, match=r"app runs theirs.service, and no image is known for it; WINDTUNNEL_IMAGE_APP"):
        ContainerStack(drawing.model_copy(update={"components": parts}), deployment)
    monkeypatch.setenv("WINDTUNNEL_IMAGE_POSTGRES", "localhost:1/no/such:image")
    with pytest.raises(Missing, match="the image localhost:1/no/such:image cannot be pulled"):
        engine.pull(client, "postgres", print)


@pytest.mark.parametrize("address", ["unix:///nonexistent/docker.sock", "tcp://127.0.0.1:1"])
def test_without_an_engine_it_says_so(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(Missing, match=r"found no Docker engine that answers .* or use the embedded backend"):
        ContainerStack(*architecture("mvp"))
