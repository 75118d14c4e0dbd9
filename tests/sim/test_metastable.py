"""Each of the four kinds of metastable failure outlives its trigger, unless the defence is on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.sim.metastable import KINDS, ruling, subject
from windtunnel.harness import catalogue
from windtunnel.harness.measure import refuse_what_cannot_be_measured
from windtunnel.harness.verdict import Verdict
from windtunnel.sim.hysteresis import undisturbed
from windtunnel.spec.problem import SpecError

SEEDS = (1, 2, 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_it_stays_down_long_after_the_trigger_has_gone(kind: str, seed: int) -> None:
    judged = ruling(subject(kind, defended=False, seed=seed))
    verdicts = {(each.window, each.metric): each.verdict for each in judged.judgements}
    assert judged.verdict is Verdict.FAIL
    assert verdicts.pop(("before", "error_ratio")) is Verdict.PASS
    assert set(verdicts.values()) == {Verdict.FAIL}
    (after,) = (each for each in judged.judgements if each.window == "after")
    if after.metric == "error_ratio":
        assert after.value is not None
        assert after.value > 0.9
    else:
        assert after.value is None, "it has not recovered at all"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_with_the_defence_it_recovers_by_itself(kind: str, seed: int) -> None:
    assert ruling(subject(kind, defended=True, seed=seed)).verdict is Verdict.PASS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("defended", [False, True], ids=["plain", "defended"])
@pytest.mark.parametrize("seed", SEEDS)
def test_without_the_trigger_nothing_is_wrong(kind: str, defended: bool, seed: int) -> None:
    asked = subject(kind, defended=defended, seed=seed)
    calm = undisturbed(asked.scenario)
    whole = {window: {"error_ratio": {"max": 0.01}} for window in ("before", "during", "after")}
    said = calm.model_validate(calm.model_dump(by_alias=True) | {"objectives": whole})
    judged = ruling(replace(asked, scenario=said))
    assert [each.verdict for each in judged.judgements] == [Verdict.PASS] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_defence_is_all_that_differs(kind: str) -> None:
    plain, defended = (subject(kind, defended=on) for on in (False, True))
    same = {"name", "architecture"}
    assert plain.scenario.model_dump(exclude=same) == defended.scenario.model_dump(exclude=same)
    assert plain.deployment == defended.deployment
    assert plain.architecture.flows == defended.architecture.flows
    settings = [
        {
            f"{place}.{key}": value
            for place, part in (*drawn.components.items(), *((link.name, link) for link in drawn.links))
            for key, value in part.model_dump(exclude_defaults=True).items()
        }
        for drawn in (plain.architecture, defended.architecture)
    ]
    changed = {key for key in settings[0] | settings[1] if settings[0].get(key) != settings[1].get(key)}
    assert changed <= {"app->db.retries", "db.shed", "cache.singleflight"}
    assert changed


@pytest.mark.parametrize("kind", KINDS)
def test_what_exists_in_the_model_only_is_not_measured(kind: str) -> None:
    with pytest.raises(SpecError, match="app exists in the model only"):
        refuse_what_cannot_be_measured(catalogue.question(f"metastable_{kind}"))


def test_the_catalogue_has_each_once_and_proposes_it() -> None:
    names = catalogue.built_in(catalogue.MODEL_SCENARIOS)
    assert names == sorted(f"metastable_{kind}{on}" for kind in KINDS for on in ("", "_defended"))
    assert not set(names) & set(catalogue.built_in(catalogue.SCENARIOS))
    with pytest.raises(SpecError, match=r"did you mean .?metastable_spike_retries"):
        catalogue.question("metastable_spike_retrys")
