"""Makes a drawing smaller while something stays true of it. Used by ``__main__`` to get at a cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from tests.sim.equality.drawings import Said

PLAIN = {"kind": "constant", "value": 8}
"""In the place of any quantity."""
QUANTITIES = ("mean", "median", "low", "quantiles", "scale", "probabilities")
Path = tuple[Any, ...]


def shrunk(said: Said, holds: Callable[[Said], bool]) -> Said:
    """Greedily, until no single cut is left for which ``holds`` (False also for what is not valid)."""
    done = 0
    while True:
        cuts = enumerate(_smaller(said))
        place, smaller = next(((n, less) for n, less in cuts if n >= done and holds(less)), (0, None))
        if smaller is not None:
            said, done = smaller, place  # what has failed before will probably fail again: look there last
        elif done:
            done = 0
        else:
            return said


def _smaller(said: Said) -> Iterator[Said]:
    """Each with one part taken out or made plain, large parts first."""
    windows = said["scenario"]["windows"]
    for name, length in windows.items():
        if length > 1 / 16:
            yield _with(said, ("scenario", "windows", name), length / 2)
    for path, value in sorted(_parts(said, ()), key=lambda part: len(part[0])):
        if path[:2] == ("scenario", "windows"):
            continue
        parent: Any = _at(said, path[:-1])
        if isinstance(parent, list) and isinstance(value, dict):
            for inner in _inner(value):
                yield _with(said, path[:-1], [*parent[: path[-1]], *inner, *parent[path[-1] + 1 :]])
        if isinstance(value, dict) and any(key in value for key in QUANTITIES):
            yield _with(said, path, PLAIN)
        yield _without(said, path)


def _inner(step: Said) -> Iterator[list[Said]]:
    """What a step is made of, to stand in its place."""
    for branch in step.get("choose", ()):
        yield branch.get("steps", [])
    yield from step.get("parallel", ())
    yield step.get("repeat", [])
    yield from step.get("on", {}).values()


def _parts(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield (*path, key), inner
        yield from _parts(inner, (*path, key))


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _with(said: Said, path: Path, value: Any) -> Said:
    changed = deepcopy(said)
    _at(changed, path[:-1])[path[-1]] = deepcopy(value)
    return changed


def _without(said: Said, path: Path) -> Said:
    changed = deepcopy(said)
    del _at(changed, path[:-1])[path[-1]]
    return changed
