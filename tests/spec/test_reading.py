"""Every kind of mistake in a file gets its sentence: place, what was found, what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.harness import catalogue
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.problem import SpecError
from windtunnel.spec.reading import CoreLoader, parse, read, validate, value
from windtunnel.spec.scenario import Scenario, misfits

from . import worlds
from .worlds import ARCHITECTURE, DEPLOYMENT

SCENARIO = (catalogue.SCENARIOS / "llm_timeouts.yaml").read_text()
SCALE = (catalogue.ARCHITECTURES / "scale.yaml").read_text()


def sentences(text: str, model: type = Scenario) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse(text, model, "x.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_all_that_we_bring_along_can_be_read() -> None:
    for name in catalogue.built_in(catalogue.SCENARIOS):
        catalogue.question(name)
    for name in catalogue.built_in(catalogue.ARCHITECTURES):
        catalogue.architecture(name)


@pytest.mark.parametrize(
    ("old", "new", "where", "found", "expected", "hint"),
    [
        ("blackhole:", "blackhol:", "x.yaml:7: faults[0]", "keys blackhol, at", "one kind of fault", "blackhole"),
        ("seed: 7", "seed: -7", "x.yaml:3: seed", "-7", "a number of at least 0", None),
        ("rate_per_s: 12", "rate_per_s: fast", "x.yaml:4: load.rate_per_s", "'fast'", "a number", None),
        ("error_ratio", "eror_ratio", "objectives.before.eror_ratio", "'eror_ratio'", "one of", "error_ratio"),
        ("windows:", "windoes:", "x.yaml:5: windoes", "an unknown key", "windows", "windows"),
        ("at: during", "at: durin", "faults[0].at", "'durin'", "before, during, after", "during"),
        ("app->llm", "app-llm", "faults[0].blackhole", "'app-llm'", "a link such as app->llm", None),
        ("blackhole: app->llm", "latency: app->llm", "faults[0].latency_ms", "nothing", "a number", None),
        ("max: 0.01", "mx: 0.01", "before.error_ratio", "an unknown key", "max, min", "max"),
        ("{max: 0.01}", "{}", "before.error_ratio", "neither max nor min", "at least one", None),
        ("before_s: 12", "before_s: 0", "objectives.before", "objectives", "windows.before_s above 0", None),
        ("poisson", "pareto", "load.arrivals", "'pareto'", "poisson, constant, gamma", None),
        ("poisson", "poison", "load.arrivals", "'poison'", "poisson, constant, gamma", "poisson"),
        ("seed: 7", "seed: 7\nseed: 8", "x.yaml:4: seed", "a second time", "line 3", None),
        ("question:", "question: [", "x.yaml", "while parsing", "well-formed YAML", None),
        ("seed: 7", "seed: !!python/object:os.system x", "x.yaml:3", "tag", "well-formed YAML", None),
    ],
)
def test_a_mistake_in_a_scenario_names_its_place(
    old: str, new: str, where: str, found: str, expected: str, hint: str | None
) -> None:
    assert old in SCENARIO
    sentence = sentences(SCENARIO.replace(old, new, 1))[0]
    assert where in sentence
    assert f"found {found}" in sentence or found in sentence
    assert expected in sentence.partition("expected ")[2]
    assert (f"did you mean '{hint}'?" in sentence) if hint else ("did you mean" not in sentence)


@pytest.mark.parametrize(
    ("old", "new", "where", "expected"),
    [
        ("kind: cache,", "kind: cash,", "components.cache.kind: found 'cash'", "did you mean 'cache'?"),
        ("kind: cache, ", "", "components.cache.kind: found nothing", "one of cache, database"),
        ("to: llm", "to: lm", "links[4].to: found 'lm'", "did you mean 'llm'?"),
        ("call: llm", "call: lmm", "on.miss[0].call: found 'lmm'", "did you mean 'llm'?"),
        ("sigma: 0.30", "sgma: 0.30", "first_token_ms.sgma: found an unknown key", "did you mean 'sigma'?"),
        ("slots: 32", "slots: 0", "components.llm.slots: found 0", "a number of at least 1"),
        ("timeout_ms: 8000", "timeout_ms: 8000, retries: {max: 2}", "retries on gateway->app and again", "one owner"),
        ("on:\n                  miss", "on:\n                  mis", "on.mis: found 'mis'", "did you mean 'miss'?"),
        ("path: /v1/chat", "path: v1/chat", "request.path: found 'v1/chat'", "a path that begins with /"),
        ("timeout_ms: 250, ", "", "links[3].timeout_ms: found nothing", "a number"),
        ("{call: db, op: begin}", "{call: gateway, op: begin}", "a call from app to gateway", "a link app->gateway"),
    ],
)
def test_a_mistake_in_an_architecture_names_its_place(old: str, new: str, where: str, expected: str) -> None:
    assert old in SCALE
    sentence = sentences(SCALE.replace(old, new, 1), Architecture)[0]
    assert where in sentence
    assert expected in sentence


def test_one_wrong_value_is_one_sentence() -> None:
    assert (
        len(sentences(SCALE.replace("{call: db, op: begin}", "{call: db, op: begin, rond_trips: 3}"), Architecture))
        == 1
    )


def test_all_mistakes_are_told_at_once() -> None:
    assert len(sentences(SCENARIO.replace("seed: 7", "seed: x").replace("poisson", "p").replace("app->llm", "a"))) == 3


def test_what_does_not_fit_the_architecture_is_told() -> None:
    scenario = parse(SCENARIO.replace("app->llm", "app.3->llm").replace("history: 0.2", "histry: 0.2"), Scenario)
    scale, laptop = catalogue.architecture("scale")
    flow, fault = map(str, misfits(scenario, scale, laptop))
    assert "load.flows.histry" in flow
    assert "did you mean 'history'?" in flow
    assert "faults[0].blackhole: found 'app.3->llm'" in fault
    assert "app has 2" in fault


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"- 1", "a list of 1"),
        (b"\xff\xfe", "byte 0xff"),
        (b"a: &a [*a]", "an alias to itself"),
        (b"? [a]\n: b", "a key that is no word"),
        (b"a: [" + b"[" * 5000, "nesting without end"),
    ],
)
def test_a_file_that_is_no_spec_is_told(tmp_path: Path, content: bytes, found: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(content)
    with pytest.raises(SpecError, match=r"x\.yaml") as caught:
        read(file, Deployment)
    assert found in str(caught.value)


def test_a_file_that_is_not_there_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "service.yaml").write_text("name: x")
    with pytest.raises(SpecError, match=r"did you mean 'service\.yaml'"):
        read(tmp_path / "servce.yaml", Deployment)


def test_aliases_that_expand_without_end_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "aliases that expand without end" in sentences("\n".join(lines))[0]


def test_words_of_yaml_1_1_stay_words() -> None:
    deployment = parse("name: on\nhosts: {yes: {cores: 2}}", Deployment)
    assert (deployment.name, list(deployment.hosts)) == ("on", ["yes"])


WORDS = ("call", "choose", "parallel", "repeat", "enqueue", "kind", "steps", "on", "times", "until", "kill", "trace")
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_spec_or_a_sentence(text: str) -> None:
    with pytest.raises(SpecError):
        parse(text, Scenario)


@pytest.mark.parametrize(
    ("text", "model"),
    [(SCALE, Architecture), (ARCHITECTURE, Architecture), (DEPLOYMENT, Deployment), (worlds.SCENARIO, Scenario)],
    ids=["scale", "architecture", "deployment", "scenario"],
)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_value_in_any_place_is_a_spec_or_a_sentence(text: str, model: type, data: st.DataObject) -> None:
    tree = yaml.load(text, CoreLoader)
    place = tree
    while True:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if not (isinstance(place[key], (dict, list)) and place[key]) or data.draw(st.booleans()):
            break
        place = place[key]
    if data.draw(st.booleans()) or isinstance(place, list):
        place[key] = data.draw(trees)
    else:
        place[data.draw(st.text(max_size=8) | st.sampled_from(WORDS))] = place.pop(key)
    problems = ()
    try:
        validate(tree, model, "x.yaml")
    except SpecError as error:
        problems = error.problems
    assert all(str(problem).startswith("x.yaml: ") and ", expected " in str(problem) for problem in problems)


def test_a_key_that_is_called_like_pydantics_own_is_unknown() -> None:
    assert "x.yaml:1: [key]: found an unknown key" in "\n".join(sentences("'[key]': 1"))


def test_data_that_contains_itself_is_a_sentence() -> None:
    step: dict[str, object] = {"times": 2}
    step["repeat"] = [step]
    tree = yaml.load(ARCHITECTURE, CoreLoader)
    tree["flows"]["import"]["steps"][0]["steps"] = [step]
    with pytest.raises(SpecError, match="found nesting without end, expected steps that a person can read"):
        validate(tree, Architecture)


def test_data_that_is_nested_for_ever_is_a_sentence() -> None:
    step: dict[str, object] = {"call": "app"}
    for _ in range(1000):
        step = {"call": "app", "steps": [step]}
    tree = yaml.load(ARCHITECTURE, CoreLoader)
    tree["flows"]["import"]["steps"][0]["steps"] = [step]
    with pytest.raises(SpecError, match="found nesting without end"):
        validate(tree, Architecture)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", None),
        (" ", None),
        ("7", 7),
        ("1e3", 1000.0),
        ("on", "on"),
        ("{a: [1]}", {"a": [1]}),
        ("2026-01-01", "2026-01-01"),
    ],
)
def test_a_single_value_is_read_by_the_rules_of_the_files(text: str, said: object) -> None:
    assert value(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "[1, 2",
        "&a [*a]",
        "!!python/object:x {}",
        "\x00",
        '"\\ud800"',
        "!!timestamp 1",
        "!!binary aGk=",
        "!!set {a}",
        "!!bool maybe",
        "!!int [1]",
        "!!str {a: 1}",
        "!!int one",
        "!!map [1]",
        "!!seq {a: 1}",
        "1" + "0" * 5000,
    ],
)
def test_a_single_value_that_is_no_yaml_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        value(text)


def test_characters_that_json_writes_as_pairs_are_characters() -> None:
    assert value(r'"\ud83c\udfb2"') == "\N{GAME DIE}"
    (only,) = sentences('{"question": "\\udfb2"}')
    assert only == r"x.yaml: found half a character in '\udfb2', expected well-formed YAML"
