from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from windtunnel.harness.stack import toxiproxy_server as subject
from windtunnel.harness.stack.cache import Cache, default_root
from windtunnel.harness.stack.errors import Missing
from windtunnel.harness.stack.supervision import Supervisor

# Stands for the Go toolchain: what it "builds" is a script that says its version.
GO = """#!/bin/sh
test "$1" = install || exit 9
echo "$GOPATH $HOME $CGO_ENABLED $*" > {seen}
mkdir -p "$GOPATH/pkg" && touch "$GOPATH/pkg/module" && chmod 500 "$GOPATH/pkg"
printf '#!/bin/sh\\necho toxiproxy-server version {version}\\n' > "$GOBIN/server"
chmod +x "$GOBIN/server"
"""
BROKEN = "#!/bin/sh\necho 'dial tcp: lookup proxy: no such host' >&2\nexit 1\n"


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor() as running:
        yield running


@pytest.fixture
def cache(supervisor: Supervisor) -> Cache:
    return Cache(supervisor.directory / "cache", supervisor)


def program(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of our own, with nothing but the shell's tools behind it; and no uv anywhere."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setattr(sys, "executable", "/bin/false")  # python -m uv
    return folder


def test_the_real_server_is_what_it_should_be(supervisor: Supervisor) -> None:
    binary = subject.toxiproxy_server(Cache(default_root(), supervisor), supervisor, print)
    assert subject.recent(subject.version(binary))


def test_one_on_path_is_taken_when_it_is_recent(cache: Cache, supervisor: Supervisor, path: Path) -> None:
    found = program(path, "toxiproxy-server", "#!/bin/sh\necho toxiproxy-server version 2.12.1\n")
    assert subject.toxiproxy_server(cache, supervisor, print) == found
    program(path, "toxiproxy-server", "#!/bin/sh\necho toxiproxy-server version 2.5.0\n")
    program(path, "go", GO.format(seen=path / "seen", version="2.12.0"))
    assert subject.toxiproxy_server(cache, supervisor, print).is_relative_to(cache.root)


def test_it_is_built_once_with_go_and_leaves_no_caches(
    cache: Cache, supervisor: Supervisor, path: Path, tmp_path: Path
) -> None:
    program(path, "go", GO.format(seen=tmp_path / "seen", version="2.12.0"))
    told: list[str] = []
    binary = subject.toxiproxy_server(cache, supervisor, told.append)
    assert binary == subject.toxiproxy_server(cache, supervisor, told.append)
    assert subject.version(binary) == (2, 12, 0)
    assert len(told) == 1
    assert told[0].startswith("building Toxiproxy 2.12.0 with go on PATH, once")
    gopath, home, cgo, *argv = (tmp_path / "seen").read_text().split()
    assert cgo == "0"
    assert argv[-1] == "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0"
    assert not Path(gopath).exists()
    assert not Path(home).exists()


def test_uv_brings_a_toolchain_when_go_fails(
    cache: Cache, supervisor: Supervisor, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(path, "go", BROKEN)
    brought = program(path, "brought-go", GO.format(seen=path / "seen", version="2.12.0"))
    uv = program(
        path, "the-uv-that-runs-us", f'#!/bin/sh\ntest "$1 $2" = "tool run" && shift 6 && exec {brought} "$@"\n'
    )
    monkeypatch.setenv("UV", str(uv))
    assert subject.version(subject.toxiproxy_server(cache, supervisor, print)) == (2, 12, 0)


@pytest.mark.parametrize(
    ("go", "sentence"),
    [
        (None, "found neither toxiproxy-server, nor go, nor uv"),
        (BROKEN, r"(?s)could not be built; put toxiproxy-server 2\.12\.0 on PATH.*with go on PATH.*no such host"),
        (GO.format(seen="/dev/null", version="2.5.0"), "gave a server that does not say it is 2.12.0"),
    ],
)
def test_where_nothing_works_the_ways_out_are_named(
    cache: Cache, supervisor: Supervisor, path: Path, go: str | None, sentence: str
) -> None:
    if go:
        program(path, "go", go)
    with pytest.raises(Missing, match=sentence):
        subject.toxiproxy_server(cache, supervisor, print)
    assert not [left for left in cache.root.iterdir() if not left.name.endswith(".lock")]


def test_another_processor_is_a_sentence(
    cache: Cache, supervisor: Supervisor, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(path, "go", GO.format(seen="/dev/null", version="2.12.0"))
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(Missing, match="found the processor riscv64, expected one of x86_64, aarch64; put"):
        subject.toxiproxy_server(cache, supervisor, print)


def test_the_builds_environment_keeps_addresses_and_certificates_and_moves_every_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".config" / "go").mkdir(parents=True)
    (tmp_path / ".config" / "go" / "env").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("GOENV", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    monkeypatch.setenv("SSL_CERT_FILE", "/certificates")
    monkeypatch.setenv("GOARCH", "wasm")
    environment = subject.environment(Path("/w"), Path("/w/bin"))
    assert environment["GOENV"] == str(tmp_path / ".config" / "go" / "env")
    assert (environment["HTTPS_PROXY"], environment["SSL_CERT_FILE"]) == ("http://proxy:1", "/certificates")
    assert "GOARCH" not in environment
    moved = ("HOME", "TMPDIR", "GOPATH", "GOCACHE", "GOMODCACHE", "UV_CACHE_DIR", "UV_TOOL_DIR", "XDG_CACHE_HOME")
    assert all(environment[name].startswith("/w") for name in moved)
    assert environment["PATH"] == os.environ["PATH"]
