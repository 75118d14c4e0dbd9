"""Imports point one way: which room may import which. The table is the one in ARCHITECTURE.md."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "spec": (),
    "reference_service": (),
    "loadtests": ("spec",),
    "chaos": ("spec",),
    "sim": ("spec",),
    "harness": ("spec", "chaos", "sim"),
    "notebooks": ("spec", "sim", "harness.store"),
}


def sources(room: Path) -> Iterator[tuple[Path, str]]:
    """Every piece of Python of a room: modules, and the cells of notebooks (without IPython's own lines)."""
    for path in sorted(room.rglob("*.py")):
        yield path, path.read_text(encoding="utf-8")
    for path in sorted(room.rglob("*.ipynb")):
        cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
        lines = [line for cell in cells for line in [*cell["source"], "\n"] if not line.lstrip().startswith(("%", "!"))]
        yield path, "".join(lines)


def imported(source: str, module: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a module (``windtunnel.sim.engine`` as a tuple) imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module[: len(module) - node.level] if node.level else ()
            start = ".".join((*above, *(node.module.split(".") if node.module else ())))
            yield from ((node.lineno, f"{start}.{alias.name}") for alias in node.names)


def within(name: str, whole: str) -> bool:
    return name == whole or name.startswith(whole + ".")


def offences(source: str, room: str, module: tuple[str, ...]) -> list[str]:
    """Imports of another room that the table does not allow, and of a room by a name that only a checkout has."""
    found = []
    for line, name in imported(source, module):
        first, _, rest = name.partition(".")
        if first == "windtunnel":
            allowed = (room, *MAY_IMPORT[room])
            if rest.split(".")[0] in MAY_IMPORT and not any(within(rest, each) for each in allowed):
                found.append(f"line {line}: {room} may import {', '.join(allowed)}; found {name}")
        elif first in MAY_IMPORT:
            found.append(f"line {line}: found {name}, expected windtunnel.{name}")
    return found


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_what_it_may(room: str) -> None:
    found = []
    seen = 0
    for path, source in sources(ROOT / room):
        seen += 1
        module = ("windtunnel", *path.relative_to(ROOT).with_suffix("").parts)
        found += [f"{path.relative_to(ROOT)}: {offence}" for offence in offences(source, room, module)]
    assert not found, "\n".join(found)
    assert seen or room == "notebooks"


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("spec", "import windtunnel.sim"),
        ("sim", "from windtunnel.chaos.faults import latency"),
        ("sim", "from windtunnel import harness"),
        ("sim", "from ..chaos import toxiproxy"),
        ("chaos", "def late():\n    from windtunnel.harness.stack import ports"),
        ("notebooks", "from windtunnel.harness.execute import execute"),
        ("reference_service", "from windtunnel.spec.run import Run"),
        ("harness", "import spec.run"),
        ("harness", "from windtunnel.reference_service.app import service"),
    ],
)
def test_the_rule_sees_an_offence(room: str, source: str) -> None:
    assert len(offences(source, room, ("windtunnel", room, "module"))) == 1


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("sim", "from windtunnel.spec.run import Run\nfrom . import engine\nfrom .engine import Engine\nimport simpy"),
        ("notebooks", "from windtunnel.harness.store import load"),
        ("harness", "import windtunnel.sim.model\nfrom windtunnel import __doc__"),
    ],
)
def test_the_rule_lets_the_rest_pass(room: str, source: str) -> None:
    assert offences(source, room, ("windtunnel", room, "module")) == []


def test_the_table_names_every_room() -> None:
    linked = {path.name for path in (ROOT / "src/windtunnel").iterdir() if path.is_symlink()}
    assert linked | {"notebooks"} == set(MAY_IMPORT)
