"""Both engines give the same answer: every request, every call and every reading of random services, bit by bit.

``pytest tests/sim/equality -m long`` tries 3,000 of them. What differs is shown, smaller and smaller, by
``python -m tests.sim.equality SEED --minimise``; in ``once/`` is what has been found and mended in this way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import yaml

from tests.sim.equality.comparison import answers
from tests.sim.equality.drawings import HERE, draw, read
from tests.sim.equality.features import FEATURES, features, seen

LEAST = 0.05
"""The share of drawings in which each feature is, at least."""
AT_ONCE = 10
QUICK = [range(first, first + AT_ONCE) for first in range(0, 60, AT_ONCE)]
LONG = [range(first, first + 50) for first in range(1_000, 4_000, 50)]
Record = Callable[[str, object], None]


@pytest.mark.parametrize("seeds", QUICK, ids=str)
def test_engines_agree(seeds: range, record_property: Record) -> None:
    _agree(seeds, record_property)


@pytest.mark.long
@pytest.mark.parametrize("seeds", LONG, ids=str)
def test_engines_agree_at_length(seeds: range, record_property: Record) -> None:
    _agree(seeds, record_property)


@pytest.mark.parametrize("world", sorted((HERE / "once").glob("*.yaml")), ids=lambda path: path.stem)
def test_engines_agree_where_they_once_did_not(world: Path) -> None:
    assert answers(read(yaml.safe_load(world.read_text()))).difference is None


def test_every_feature_is_drawn_often_enough() -> None:
    seeds = range(600)
    counts = Counter(feature for seed in seeds for feature in features(draw(seed)))
    shares = {feature: counts[feature] / len(seeds) for feature in sorted(FEATURES | set(counts))}
    print({feature: f"{100 * share:.1f} %" for feature, share in shares.items()})
    assert {feature: share for feature, share in shares.items() if share < LEAST} == {}
    assert set(counts) <= FEATURES


def _agree(seeds: Iterable[int], record_property: Record) -> None:
    """All of them, and what they had in them."""
    drawn: Counter[str] = Counter()
    happened: Counter[str] = Counter()
    different: dict[int, str] = {}
    for seed in seeds:
        drawing = draw(seed)
        said = answers(drawing)
        drawn.update(features(drawing))
        happened.update(seen(said.reference))
        if (difference := said.difference) is not None:
            different[seed] = difference
    record_property("drawings", len(list(seeds)))
    record_property("drawn", dict(drawn))
    record_property("seen", dict(happened))
    told = "\n".join(f"seed {seed}: {what}" for seed, what in different.items())
    assert not different, f"{told}\nsee `python -m tests.sim.equality {' '.join(map(str, different))} --minimise`"
