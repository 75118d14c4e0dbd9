from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.stack.watching import eventually
from windtunnel.harness.stack.cache import Cache, default_root
from windtunnel.harness.stack.errors import Failed, Missing
from windtunnel.harness.stack.supervision import Supervisor


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor() as running:
        yield running


@pytest.fixture
def root(supervisor: Supervisor) -> Path:
    return supervisor.directory / "cache"  # pytest's own folders cannot be entered by other users


MAKING = """
import sys, time
from pathlib import Path
from windtunnel.harness.stack.cache import Cache
from windtunnel.harness.stack.supervision import Supervisor
def make(new):
    (new / "half").touch()
    print("half", flush=True)
    time.sleep(300)
with Supervisor() as supervisor:
    Cache(Path(sys.argv[1]), supervisor).entry("tool", make)
"""


def fill(new: Path) -> None:
    (new / "bin").mkdir()
    (new / "bin" / "tool").write_text("#!/bin/sh\n")
    (new / "bin" / "tool").chmod(0o755)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"WINDTUNNEL_CACHE": "/some/where", "XDG_CACHE_HOME": "/xdg"}, "/some/where"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/var/cache/windtunnel" if os.getuid() == 0 else "/xdg/windtunnel"),
        ({"HOME": "/somewhere/me"}, "/var/cache/windtunnel" if os.getuid() == 0 else "/somewhere/me/.cache/windtunnel"),
    ],
)
def test_where_the_cache_is(environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WINDTUNNEL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert default_root() == Path(expected)


def test_an_entry_is_made_once(supervisor: Supervisor, root: Path) -> None:
    made: list[Path] = []

    def make(new: Path) -> None:
        made.append(new)
        fill(new)

    cache = Cache(root, supervisor)
    places = {cache.entry("tool-1", make) for _ in range(3)}
    assert len(made) == 1
    assert places == {root / "tool-1"}
    assert os.access(root / "tool-1" / "bin" / "tool", os.X_OK)


@pytest.mark.parametrize("damage", ["truncate", "delete", "seal", "permissions", "extra"])
def test_a_damaged_entry_is_made_again(supervisor: Supervisor, root: Path, damage: str) -> None:
    cache = Cache(root, supervisor)
    tool = cache.entry("tool", fill) / "bin" / "tool"
    match damage:
        case "truncate":
            tool.write_text("")
        case "delete":
            tool.unlink()
        case "seal":
            (root / "tool" / ".sealed.json").write_text("{")
        case "permissions":
            tool.chmod(0o644)
        case "extra":
            (root / "tool" / "half-made").touch()
    cache.entry("tool", fill)
    assert tool.read_text() == "#!/bin/sh\n"
    assert os.access(tool, os.X_OK)
    assert not (root / "tool" / "half-made").exists()


def test_parallel_starts_make_it_once(supervisor: Supervisor, root: Path) -> None:
    made: list[Path] = []
    go = threading.Event()

    def make(new: Path) -> None:
        made.append(new)
        go.wait(5)
        fill(new)

    cache = Cache(root, supervisor)
    threads = [threading.Thread(target=cache.entry, args=("tool", make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    eventually(lambda: bool(made), 5, "one of them makes it")
    go.set()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_a_failure_leaves_nothing_and_the_next_start_tries_again(supervisor: Supervisor, root: Path) -> None:
    def fail(new: Path) -> None:
        fill(new)
        raise Failed("no compiler")

    cache = Cache(root, supervisor)
    with pytest.raises(Failed, match="no compiler"):
        cache.entry("tool", fail)
    assert [path.name for path in root.iterdir()] == [".tool.lock"]
    assert cache.entry("tool", fill).is_dir()


def test_a_killed_start_leaves_no_half_made_entry(supervisor: Supervisor, root: Path) -> None:
    command = subprocess.Popen([sys.executable, "-c", MAKING, str(root)], stdout=subprocess.PIPE, text=True)
    assert command.stdout
    assert command.stdout.readline() == "half\n"
    assert (root / ".tool.new" / "half").exists()
    command.kill()
    command.communicate()
    eventually(lambda: not (root / ".tool.new").exists(), 3, "the half-made entry is gone")
    assert Cache(root, supervisor).entry("tool", fill).is_dir()  # and nobody holds its lock


def test_a_cache_that_cannot_be_made_is_a_sentence(supervisor: Supervisor) -> None:
    with pytest.raises(Missing, match=r"/proc/windtunnel cannot be made \(.*\); set WINDTUNNEL_CACHE"):
        Cache(Path("/proc/windtunnel"), supervisor)


@pytest.mark.skipif(os.getuid() != 0, reason="only root starts PostgreSQL as somebody else")
def test_a_cache_that_nobody_can_enter_is_a_sentence(supervisor: Supervisor) -> None:
    (supervisor.directory / "private").mkdir(mode=0o700)
    with pytest.raises(Missing, match="cannot be entered by the user nobody"):
        Cache(supervisor.directory / "private" / "cache", supervisor)


def test_a_full_disk_is_a_sentence(supervisor: Supervisor, root: Path) -> None:
    def full(new: Path) -> None:
        with (new / "big").open("wb", buffering=0), Path("/dev/full").open("wb", buffering=0) as device:
            device.write(b"x")  # the kernel's own answer of a full disk

    with pytest.raises(Missing, match=r"cannot be made \(No space left on device\); free some space"):
        Cache(root, supervisor).entry("tool", full)
