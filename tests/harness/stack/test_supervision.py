from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.harness.stack.watching import Recorder, eventually, left_of, runs
from windtunnel.chaos.capabilities import HttpCall
from windtunnel.harness.stack.errors import Failed, LeftBehind, Lost, NotReady
from windtunnel.harness.stack.supervision import Supervisor, User, in_words
from windtunnel.harness.stack.sweep import sweep

PATH = {"PATH": os.environ["PATH"]}
GONE_WITHIN_S = 3.0

# A command as a user has it: it starts a supervisor and things below it, tells about them, and waits.
COMMAND = """
import json, os, signal, sys, time
from pathlib import Path
from windtunnel.chaos.capabilities import HttpCall
from windtunnel.harness.stack.supervision import Supervisor
heal_url, removed, marker = sys.argv[1:4]
with Supervisor() as supervisor:
    log = supervisor.directory / "log"
    def start(name, script):
        return supervisor.start(name, ["/bin/sh", "-c", script], environment={"PATH": os.environ["PATH"]}, log=log).pid
    pids = [
        start("plain", "sleep 300"),
        start("deaf", "trap '' TERM INT QUIT; while true; do sleep 300; done"),
        start("family", "sleep 300 & sleep 300 & wait"),
        start("runaway", "setsid sh -c 'sleep 300 & sleep 300' >/dev/null 2>&1 & exit 0"),
    ]
    supervisor.lease([HttpCall("DELETE", heal_url + "/toxics/slow")], ttl_s=300)
    supervisor.remove(Path(removed))
    supervisor.at_exit(["/bin/sh", "-c", "echo over > " + marker])
    told = {"supervisor": supervisor.pid, "directory": str(supervisor.directory), "children": pids}
    print(json.dumps(told), flush=True)
    time.sleep(300)
"""


@contextmanager
def a_command(
    tmp_path: Path, heal_url: str, environment: dict[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    removed = tmp_path / "removed"
    (removed / "deep").mkdir(parents=True)
    command = subprocess.Popen(
        [sys.executable, "-c", COMMAND, heal_url, str(removed), str(tmp_path / "marker")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | (environment or {}),
    )
    try:
        assert command.stdout
        line = command.stdout.readline()
        assert line, command.communicate()[1]
        yield command, json.loads(line)
    finally:
        command.kill()
        command.communicate()


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor() as running:
        yield running


def shell(supervisor: Supervisor, script: str, **options: Any) -> Any:
    environment = options.pop("environment", PATH)
    log = supervisor.directory / f"{options.get('name', 'shell')}.log"
    name = options.pop("name", "shell")
    return supervisor.start(name, ["/bin/sh", "-c", script], environment=environment, log=log, **options)


def test_a_child_has_its_environment_its_log_and_an_exit_code(supervisor: Supervisor) -> None:
    child = shell(supervisor, "env; echo wrong >&2; exit 3", environment={"PATH": "/usr/bin:/bin", "ONLY": "this"})
    assert child.wait(10) == 3
    lines = set(child.log.read_text().splitlines())
    names = {line.partition("=")[0] for line in lines}
    assert {"ONLY=this", "wrong"} <= lines
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "ONLY", "WINDTUNNEL_STACK", "wrong"}


def test_a_child_is_waited_for_with_a_limit_and_killed_with_its_descendants(supervisor: Supervisor) -> None:
    child = shell(supervisor, "sleep 300 & echo $!; wait")
    eventually(lambda: child.log.read_text().strip().isdigit(), 5, "its child's pid in the log")
    grandchild = int(child.log.read_text())
    with pytest.raises(TimeoutError, match="still running"):
        child.wait(0.05)
    child.kill()
    assert child.wait(5) == -signal.SIGKILL
    eventually(lambda: not runs(grandchild), 5, "the grandchild is gone")


def test_a_program_that_is_not_there_is_a_sentence(supervisor: Supervisor) -> None:
    with pytest.raises(NotReady, match=r"nothing could not be started: .*no-such-program"):
        supervisor.start("nothing", ["/no-such-program"], environment={}, log=supervisor.directory / "log")
    assert shell(supervisor, "exit 0").wait(5) == 0  # and the supervisor goes on


def test_a_helping_command_that_fails_shows_its_log_and_one_that_hangs_is_killed(supervisor: Supervisor) -> None:
    log = supervisor.directory / "log"
    failing = ["/bin/sh", "-c", "echo no space for it; exit 7"]
    with pytest.raises(Failed, match=r"(?s)it ended with exit code 7.*no space for it"):
        supervisor.run("it", failing, environment=PATH, timeout_s=5, log=log)
    with pytest.raises(Failed, match=r"it did not end in 0\.2 s"):
        supervisor.run("it", ["/bin/sh", "-c", "sleep 300"], environment=PATH, timeout_s=0.2, log=log)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can change the user")
def test_a_child_may_run_as_another_user_and_still_dies_with_the_supervisor() -> None:
    supervisor = Supervisor()
    child = shell(supervisor, "id -u; exec sleep 300", user=User(65534, 65534))
    eventually(lambda: child.log.read_text().strip() == "65534", 5, "it runs as nobody")
    os.kill(supervisor.pid, signal.SIGKILL)
    eventually(lambda: not runs(child.pid), GONE_WITHIN_S, "it died with the supervisor")
    with pytest.raises(LeftBehind):
        supervisor.close()
    sweep(supervisor.directory.parent)


def test_the_end_goes_wave_by_wave_and_gives_each_its_signal(tmp_path: Path) -> None:
    order = tmp_path / "order"
    with Supervisor() as supervisor:
        for name, wave, number in (("base", 0, "INT"), ("top", 2, "TERM"), ("middle", 1, "QUIT")):
            child = shell(
                supervisor,
                f"trap 'sleep 0.1; echo {name} >> {order}; exit 0' {number}; echo set; while true; do sleep 0.01; done",
                name=name,
                wave=wave,
                stop_signal=getattr(signal, f"SIG{number}"),
            )
            eventually(lambda child=child: child.log.read_text().strip() == "set", 5, "its trap is set")  # type: ignore[misc]
    assert order.read_text().split() == ["top", "middle", "base"]


def test_what_does_not_obey_is_killed_after_its_grace_even_when_it_was_stopped() -> None:
    supervisor = Supervisor()
    deaf = shell(supervisor, "trap '' TERM; while true; do sleep 1; done", grace_s=0.3)
    stopped = shell(supervisor, "exec sleep 300", grace_s=0.3)
    stopped.signal(signal.SIGSTOP)
    began = time.monotonic()
    supervisor.close()
    assert time.monotonic() - began < 2
    assert (deaf.wait(0), stopped.wait(0)) == (-signal.SIGKILL, -signal.SIGTERM)
    assert left_of(supervisor.directory) == []


def test_a_lease_heals_when_it_runs_out_and_not_when_it_was_renewed_or_released(supervisor: Supervisor) -> None:
    with Recorder() as recorder:
        calls = {name: [HttpCall("DELETE", f"{recorder.url}/{name}")] for name in ("out", "renewed", "released")}
        out = supervisor.lease(calls["out"], ttl_s=0.2)
        renewed = supervisor.lease(calls["renewed"], ttl_s=0.2)
        released = supervisor.lease(calls["released"], ttl_s=0.2)
        renewed.renew(30)
        released.release()
        eventually(lambda: recorder.requests == [("DELETE", "/out")], 5, "the lease ran out")
        with pytest.raises(Lost, match="it had run out"):
            out.renew(1)
        out.release()
        supervisor.close()
        assert recorder.requests == [("DELETE", "/out"), ("DELETE", "/renewed")]  # what is still held heals at the end


def test_a_heal_call_that_is_refused_is_left_behind_unless_what_it_undoes_is_gone() -> None:
    with Recorder(status=500) as failing, Recorder(status=404) as gone:
        supervisor = Supervisor()
        for recorder in (failing, gone):
            supervisor.lease([HttpCall("POST", f"{recorder.url}/reset", {"enabled": True})], ttl_s=30)
        with pytest.raises(LeftBehind, match=f"POST {failing.url}/reset was answered 500") as refused:
            supervisor.close()
        assert gone.url not in str(refused.value)
        assert gone.requests == [("POST", "/reset")]


def test_closing_removes_and_runs_what_was_left_for_the_end(tmp_path: Path) -> None:
    locked = tmp_path / "cache"
    (locked / "module").mkdir(parents=True)
    (locked / "module" / "file").touch()
    (locked / "module").chmod(0o500)  # as Go leaves its modules
    supervisor = Supervisor()
    supervisor.remove(locked)
    supervisor.at_exit(["/bin/sh", "-c", f"echo over > {tmp_path / 'marker'}"])
    supervisor.close()
    supervisor.close()
    assert not locked.exists()
    assert (tmp_path / "marker").read_text() == "over\n"
    assert left_of(supervisor.directory) == []


def test_shared_memory_that_a_killed_child_made_is_removed() -> None:
    make = (
        "import ctypes, time; print(ctypes.CDLL(None).shmget(0, 56, 0o1600), flush=True); time.sleep(300)"  # IPC_CREAT
    )
    supervisor = Supervisor()
    log = supervisor.directory / "log"
    child = supervisor.start("maker", [sys.executable, "-c", make], environment={}, log=log)
    eventually(lambda: log.read_text().strip().isdigit(), 5, "the segment is made")
    segment = log.read_text().strip()

    def segments() -> set[str]:
        return {line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()}

    child.kill()
    child.wait(5)
    assert segment in segments()
    supervisor.close()
    assert segment not in segments()


def test_a_command_for_the_end_that_fails_is_left_behind() -> None:
    supervisor = Supervisor()
    supervisor.at_exit(["/bin/false"])
    with pytest.raises(LeftBehind, match="the command /bin/false failed"):
        supervisor.close()


def test_a_killed_supervisor_takes_its_children_along_and_is_noticed() -> None:
    supervisor = Supervisor()
    child = shell(supervisor, "exec sleep 300")
    os.kill(supervisor.pid, signal.SIGKILL)
    eventually(lambda: not runs(child.pid), GONE_WITHIN_S, "the child died")
    eventually(lambda: not supervisor.alive, 5, "it was noticed")
    with pytest.raises(Lost, match="the supervisor is gone"):
        shell(supervisor, "true")
    with pytest.raises(Lost):
        child.wait(1)
    with pytest.raises(LeftBehind, match="the next start sweeps"):
        supervisor.close()
    assert f"directory {supervisor.directory}" in sweep(supervisor.directory.parent)
    assert left_of(supervisor.directory) == []


def test_an_asked_supervisor_ends_in_order() -> None:
    supervisor = Supervisor()
    child = shell(supervisor, "exec sleep 300")
    os.kill(supervisor.pid, signal.SIGINT)  # Ctrl-C is the command's business
    assert shell(supervisor, "exit 0").wait(5) == 0
    os.kill(supervisor.pid, signal.SIGTERM)
    assert child.wait(5) == -signal.SIGTERM
    eventually(lambda: not supervisor.alive, 5, "it ended")
    supervisor.close()
    assert left_of(supervisor.directory) == []


def test_kill_9_of_the_command_heals_then_leaves_nothing(tmp_path: Path) -> None:
    with Recorder() as recorder, a_command(tmp_path, recorder.url) as (command, told):
        command.kill()
        died_at = time.monotonic()
        eventually(lambda: left_of(Path(told["directory"])) == [], GONE_WITHIN_S, "everything is gone")
        eventually(lambda: not runs(told["supervisor"]), GONE_WITHIN_S, "the supervisor is gone")
        assert time.monotonic() - died_at < GONE_WITHIN_S
        assert recorder.requests == [("DELETE", "/toxics/slow")]
        assert not any(runs(pid) for pid in told["children"])
        assert not (tmp_path / "removed").exists()
        assert (tmp_path / "marker").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, (1, -2, 130)), (signal.SIGTERM, (-15,))])
def test_a_signal_to_the_command_leaves_nothing(tmp_path: Path, number: int, code: tuple[int, ...]) -> None:
    with Recorder() as recorder, a_command(tmp_path, recorder.url) as (command, told):
        command.send_signal(number)
        assert command.wait(10) in code
        eventually(lambda: left_of(Path(told["directory"])) == [], GONE_WITHIN_S, "everything is gone")
        assert recorder.requests == [("DELETE", "/toxics/slow")]
        assert not (tmp_path / "removed").exists()


def test_the_launchers_death_ends_the_command_too(tmp_path: Path) -> None:
    launcher = subprocess.Popen(["sleep", "300"])
    with (
        Recorder() as recorder,
        a_command(tmp_path, recorder.url, {"WINDTUNNEL_LAUNCHER_PID": str(launcher.pid)}) as (command, told),
    ):
        launcher.kill()
        launcher.wait()
        assert command.wait(GONE_WITHIN_S) == -signal.SIGKILL
        eventually(lambda: left_of(Path(told["directory"])) == [], GONE_WITHIN_S, "everything is gone")


def test_a_double_kill_is_swept_by_the_next_start(tmp_path: Path) -> None:
    with Recorder() as recorder, a_command(tmp_path, recorder.url) as (command, told):
        directory = Path(told["directory"])
        os.kill(told["supervisor"], signal.SIGSTOP)  # else it might do its work before it is killed, too
        command.kill()
        command.wait()
        os.kill(told["supervisor"], signal.SIGKILL)
        eventually(lambda: not runs(told["supervisor"]), 5, "the supervisor is gone")
        assert directory.exists()
        with Supervisor():
            assert left_of(directory) == []
        assert not (tmp_path / "removed").exists()
        assert (tmp_path / "marker").exists()


def test_a_sweep_leaves_the_living_and_the_foreign_alone(supervisor: Supervisor, tmp_path: Path) -> None:
    foreign = tmp_path / "windtunnel-stack-foreign"
    foreign.mkdir()
    child = shell(supervisor, "exec sleep 300")
    assert sweep(supervisor.directory.parent) == ()
    assert sweep(tmp_path) == ()
    assert runs(child.pid)
    assert foreign.exists()


def test_many_children_at_once_keep_their_codes(supervisor: Supervisor) -> None:
    children = [shell(supervisor, f"exit {code}", name=f"child-{code}") for code in range(30)]
    assert [child.wait(10) for child in children] == list(range(30))


def test_codes_in_words() -> None:
    assert [in_words(code) for code in (0, 2, -9, -15)] == ["exit code 0", "exit code 2", "SIGKILL", "SIGTERM"]
