"""The wrapper script on machines that lack something. Real shell, plain fake programs on a PATH of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("sh", "dirname", "readlink", "uname", "id", "mkdir", "mktemp", "rm", "mv", "cksum", "cut", "cat", "env")

# Writes down how it was called; the environment that `uv sync` makes is a folder with a program in it.
UV = """#!/bin/sh
if [ "$1" = --version ]; then echo "uv ${FAKE_UV_VERSION:-0.13.9} (fake)"; exit; fi
{
    printf '%s' "$1 cwd=$PWD launcher=${WINDTUNNEL_LAUNCHER_PID:-} pid=$$ environment=${UV_PROJECT_ENVIRONMENT:-} args="
    printf '<%s>' "$@"
    echo
} >>"$CALLS"
case $1 in
sync) exit "${FAKE_SYNC:-0}" ;;
run) exit "${FAKE_RUN:-0}" ;;
esac
"""

# python3 -m venv DIR, and in it pip; FAKE_PYTHON says what is missing.
PYTHON = f"""#!/bin/sh
case "$1 $2" in
'-c '*) echo "${{FAKE_PYTHON_VERSION:-3.11}}" ;;
'-m venv')
    case $FAKE_PYTHON in *no-venv*) mkdir -p "$3/bin"; exit 1 ;; esac
    mkdir -p "$3/bin"
    cat "$0" >"$3/bin/python"
    /bin/chmod +x "$3/bin/python"
    ;;
'-m pip')
    case $FAKE_PYTHON in *no-pip*) exit 1 ;; esac
    [ "$3" = install ] || exit 0
    case $FAKE_PYTHON in *no-index*) echo 'ERROR: no such host' >&2; exit 1 ;; esac
    bin=$(dirname "$0")
    if [ "$4" = --target ]; then bin=$5/bin; mkdir -p "$bin"; fi
    cat >"$bin/uv" <<'END'
{UV}END
    /bin/chmod +x "$bin/uv"
    ;;
esac
"""


class Machine:
    """A folder with a checkout, a PATH, a cache and a home, open to every user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkout = folder / "a place" / "checkout"
        self.bin = folder / "bin"
        self.cache = folder / "cache"
        self.calls = folder / "calls"
        self.checkout.mkdir(parents=True)
        self.bin.mkdir()
        shutil.copy2(ROOT / "windtunnel", self.checkout)
        self.calls.touch()
        self.calls.chmod(0o666)
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or pytest.fail(f"found no {tool}"))

    def has(self, name: str, text: str) -> None:
        program = self.bin / name
        program.unlink(missing_ok=True)
        program.write_text(text)
        program.chmod(0o755)

    def start(
        self, *words: str, program: Path | None = None, cwd: Path | None = None, user: int | None = None, **env: str
    ) -> subprocess.Popen[str]:
        environment = {"PATH": str(self.bin), "CALLS": str(self.calls), "FAKE_PYTHON": ""}
        environment |= {"WINDTUNNEL_CACHE": str(self.cache)} | env
        return subprocess.Popen(
            [str(program or self.checkout / "windtunnel"), *words],
            cwd=cwd or self.folder,
            env={key: value for key, value in environment.items() if value or key == "FAKE_PYTHON"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )

    def run(self, *words: str, **options: object) -> tuple[int, str]:
        """Exit code and standard error."""
        process = self.start(*words, **options)  # type: ignore[arg-type]
        _, error = process.communicate(timeout=60)
        return process.returncode, error

    def called(self, what: str) -> str:
        lines = [line for line in self.calls.read_text().splitlines() if line.startswith(what + " ")]
        assert len(lines) == 1, lines
        return lines[0]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def machine() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="windtunnel wrapper ") as folder:
        Path(folder).chmod(0o755)
        yield Machine(Path(folder))


def test_asks_for_the_uv_that_the_project_asks_for() -> None:
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["required-version"]
    assert f"uv_least={required.removeprefix('>=')} " in (ROOT / "windtunnel").read_text()


def test_called_through_links_from_elsewhere_with_words_that_have_spaces(machine: Machine) -> None:
    machine.has("uv", UV)
    (machine.folder / "one").symlink_to("two")
    (machine.folder / "two").symlink_to("a place/checkout/windtunnel")
    elsewhere = machine.folder / "else where"
    elsewhere.mkdir()
    process = machine.start("run", "a b", "", "*", program=machine.folder / "one", cwd=elsewhere, FAKE_RUN="3")
    output, error = process.communicate(timeout=60)
    assert process.returncode == 3, error
    assert output == ""
    call = machine.called("run")
    assert f"cwd={elsewhere} launcher={process.pid} pid={process.pid} environment= " in call
    assert call.endswith(f"<--project><{machine.checkout}><windtunnel><run><a b><><*>")
    assert machine.called("sync").endswith(f"<--project><{machine.checkout}><--frozen>")
    assert not machine.cache.exists()


def test_is_quiet_when_everything_is_there(machine: Machine) -> None:
    machine.has("uv", UV)
    program = machine.checkout / ".venv/bin/windtunnel"
    program.parent.mkdir(parents=True)
    program.touch()
    assert machine.run("doctor") == (0, "")
    assert "<sync><--quiet>" in machine.called("sync")


def test_takes_uv_from_the_variable_the_home_and_the_path(machine: Machine) -> None:
    machine.has("fake-uv", UV)
    assert machine.run(UV=str(machine.bin / "fake-uv"))[0] == 0
    home = machine.folder / "home"
    (home / ".local/bin").mkdir(parents=True)
    (machine.bin / "fake-uv").rename(home / ".local/bin/uv")
    assert machine.run(HOME=str(home))[0] == 0
    assert not machine.cache.exists()


@pytest.mark.parametrize(("version", "taken"), [("0.9.0", True), ("0.10.3", True), ("1.0.0", True), ("0.8.22", False)])
def test_takes_a_uv_that_is_new_enough(machine: Machine, version: str, taken: bool) -> None:
    machine.has("uv", UV)
    code, error = machine.run(FAKE_UV_VERSION=version)
    assert (code == 0) is taken
    if not taken:
        assert code == 2
        assert "found no python3 on PATH" in error
        assert "apt-get install python3 python3-venv" in error


def test_a_failed_download_is_not_a_missed_objective(machine: Machine) -> None:
    machine.has("uv", UV)
    code, error = machine.run(FAKE_SYNC="1")
    assert code == 2
    assert "uv could not make the environment" in error
    assert "run" not in machine.calls.read_text()


@pytest.mark.parametrize("lacks", ["", "no-venv"])
def test_installs_uv_with_what_python_has(machine: Machine, lacks: str) -> None:
    machine.has("python3", PYTHON)
    code, error = machine.run("demo", FAKE_PYTHON=lacks)
    assert code == 0, error
    assert "installing one into" in error
    assert machine.called("run").endswith("<windtunnel><demo>")
    assert names(machine.cache) == ["bin"]
    assert names(machine.cache / "bin") == ["uv"]
    _, error = machine.run("demo", FAKE_PYTHON="no-venv no-pip")
    assert "installing" not in error


def test_two_first_starts_at_once(machine: Machine) -> None:
    machine.has("python3", PYTHON)
    both = [machine.start(f"start-{number}") for number in range(2)]
    for process in both:
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
    assert names(machine.cache) == ["bin"]
    assert all(f"<start-{number}>" in machine.calls.read_text() for number in range(2))


@pytest.mark.parametrize(
    ("lacks", "version", "words"),
    [
        ("no-venv no-pip", "3.11", "apt-get install python3-venv"),
        ("no-index", "3.13", "pip could not install uv"),
        ("", "3.9", "found only Python that is too old"),
        ("", "3.10", "expected 3.11 or newer"),
    ],
)
def test_a_python_that_cannot_help(machine: Machine, lacks: str, version: str, words: str) -> None:
    machine.has("python3", PYTHON)
    code, error = machine.run(FAKE_PYTHON=lacks, FAKE_PYTHON_VERSION=version)
    assert code == 2
    assert words in error
    assert names(machine.cache) == []


def test_passes_over_an_old_python3_for_a_newer_one(machine: Machine) -> None:
    machine.has("python3", PYTHON.replace("${FAKE_PYTHON_VERSION:-3.11}", "3.9"))
    machine.has("python3.12", PYTHON)
    assert machine.run(FAKE_PYTHON_VERSION="3.12")[0] == 0


@pytest.mark.parametrize("found", ["Linux riscv64", "Linux i686", "Darwin x86_64", "MINGW64_NT-10.0 x86_64"])
def test_a_machine_that_has_no_wheels(machine: Machine, found: str) -> None:
    system, processor = found.split()
    machine.has("uv", UV)
    machine.has("uname", f'#!/bin/sh\n[ "$1" = -s ] && echo {system} || echo {processor}\n')
    code, error = machine.run("demo")
    assert code == 2
    assert f"found {found}, expected Linux on x86_64 or aarch64" in error
    assert machine.calls.read_text() == ""


def test_a_cache_that_cannot_be_written(machine: Machine) -> None:
    machine.has("python3", PYTHON)
    machine.cache.write_text("a file")
    code, error = machine.run()
    assert code == 2
    assert f"cannot write to the cache {machine.cache}; set WINDTUNNEL_CACHE" in error


def test_a_checkout_that_somebody_else_owns(machine: Machine) -> None:
    machine.has("uv", UV)
    home = machine.folder / "home"
    home.mkdir()
    home.chmod(0o777)
    user = 65534 if os.getuid() == 0 else None
    machine.checkout.chmod(0o555)
    code, error = machine.run(HOME=str(home), WINDTUNNEL_CACHE="", user=user)
    assert code == 0, error
    kept = home / ".cache/windtunnel/environments"
    for what in ("sync", "run"):
        assert f"environment={kept}/" in machine.called(what)
    machine.checkout.chmod(0o755)


def test_without_home_or_cache(machine: Machine) -> None:
    machine.has("python3", PYTHON)
    user = 65534 if os.getuid() == 0 else None
    code, error = machine.run(WINDTUNNEL_CACHE="", user=user)
    assert code == 2
    assert "found neither HOME nor WINDTUNNEL_CACHE set" in error


@pytest.mark.skipif(
    Path(sys.prefix) != ROOT / os.environ.get("UV_PROJECT_ENVIRONMENT", ".venv"),
    reason="the tests run in an environment that is not this checkout's, and a sync would change it",
)
def test_the_real_command_answers_from_this_checkout() -> None:
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        pytest.skip("found no uv: the tests were not started through it")
    answer = subprocess.run(
        [ROOT / "windtunnel", "--help"],
        env=os.environ | {"UV": uv},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert "Usage: windtunnel" in answer.stdout
