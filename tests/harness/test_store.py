"""What goes in comes out, byte for byte; what is broken is a sentence."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.harness import worlds
from windtunnel.harness import store
from windtunnel.spec.problem import SpecError
from windtunnel.spec.run import Run


def contents(place: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in place.iterdir()}


@pytest.mark.parametrize("run", [worlds.lively(), worlds.lively("forecast"), worlds.run()], ids=lambda r: r.record.id)
def test_what_goes_in_comes_out(run: Run, tmp_path: Path) -> None:
    place = store.save(run, tmp_path)
    for way in (run.record.id, place, str(place), place / "run.json"):
        found = store.load(way, tmp_path)
        assert found == run
        assert found.digest() == run.digest()
    assert store.record(run.record.id, tmp_path) == run.record


def test_the_same_run_is_the_same_bytes(tmp_path: Path) -> None:
    one, other = (store.save(worlds.lively(seed=3), tmp_path / name) for name in ("one", "other"))
    assert contents(one) == contents(other)
    assert set(contents(one)) == {"run.json", "samples.parquet", "spans.parquet", "writes.parquet", "series.parquet"}


def test_a_loaded_run_is_stored_as_the_same_bytes(tmp_path: Path) -> None:
    first = store.save(worlds.lively(), tmp_path / "one")
    again = store.save(store.load(first), tmp_path / "other")
    assert contents(first) == contents(again)


def test_a_measured_run_is_never_overwritten_and_a_forecast_is_renewed(tmp_path: Path) -> None:
    place = store.save(worlds.lively(), tmp_path)
    before = contents(place)
    assert store.save(worlds.lively(), tmp_path) == place
    with pytest.raises(SpecError, match=r"found another run of this id, expected an id of its own"):
        store.save(worlds.lively(seed=2), tmp_path)
    assert contents(place) == before
    store.save(worlds.lively("forecast"), tmp_path)
    store.save(worlds.lively("forecast", seed=2), tmp_path)
    assert store.load("forecast-1", tmp_path).digest() == worlds.lively(seed=2).digest()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["forecast-1", "measured-1"], "nothing is left behind"


def test_a_run_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    with pytest.raises(OSError, match="No space left"):
        store.save(worlds.run(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_being_written_is_not_listed(tmp_path: Path) -> None:
    place = store.save(worlds.run(), tmp_path)
    place.rename(tmp_path / ".half.x7")
    assert store.ids(tmp_path) == ()
    with pytest.raises(SpecError, match="none is stored"):
        store.load("half", tmp_path)


def test_ids_and_latest_follow_the_order_of_storing(tmp_path: Path) -> None:
    for index, (name, kind) in enumerate([("zebra", "measured"), ("ant", "forecast"), ("bee", "measured")]):
        place = store.save(worlds.run(kind=kind, id=name), tmp_path)  # type: ignore[arg-type]
        os.utime(place / "run.json", (index, index))
    assert store.ids(tmp_path) == ("zebra", "ant", "bee")
    assert store.latest(tmp_path).record.id == "bee"
    assert store.latest(tmp_path, "forecast").record.id == "ant"


def test_an_empty_store_says_so(tmp_path: Path) -> None:
    assert store.ids(tmp_path / "nowhere") == ()
    with pytest.raises(SpecError, match="found no stored run, expected a forecast run"):
        store.latest(tmp_path, "forecast")
    with pytest.raises(SpecError, match=r"none is stored in .* yet"):
        store.load("x", tmp_path / "nowhere")


def test_a_misspelt_id_is_answered_with_the_nearest(tmp_path: Path) -> None:
    store.save(worlds.run(id="20260301-database-outage"), tmp_path)
    with pytest.raises(SpecError, match=r"'20260301-databse-outage'.*did you mean '20260301-database-outage'\?"):
        store.load("20260301-databse-outage", tmp_path)


@pytest.mark.parametrize("name", ["..", ".", ".hidden"])
def test_an_id_never_leads_out_of_the_store(name: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="does not begin with a dot"):
        store.save(worlds.run(id=name), tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_a_path_is_no_id(tmp_path: Path) -> None:
    store.save(worlds.run(id="inside"), tmp_path / "root")
    with pytest.raises(SpecError, match="a stored run in"):
        store.load("../inside", tmp_path / "root")


@pytest.mark.parametrize(
    ("file", "change", "sentence"),
    [
        ("samples.parquet", lambda old: old[: len(old) // 2], r"samples.parquet: found other bytes than were stored"),
        ("spans.parquet", lambda old: old[:-9] + b"x" + old[-8:], r"spans.parquet: found other bytes"),
        ("writes.parquet", None, r"writes.parquet: found No such file or directory"),
        ("run.json", lambda old: old[:100], r"run.json: found what is not JSON"),
        ("run.json", lambda old: b"\xff\xfe" + old, r"run.json: found what is not JSON"),
        ("run.json", lambda _: b"[1]", r"found JSON without a format"),
        ("run.json", lambda old: old.replace(b'"format": 1', b'"format": 2'), r"found format 2, written by"),
        ("run.json", lambda old: old.replace(b'"sha256"', b'"md5"'), r"found no digests"),
        ("run.json", lambda old: old.replace(b'"kind": "measured"', b'"kind": "guessed"'), r"kind: found 'guessed'"),
        ("run.json", lambda old: old.replace(b'"backend"', b'"bakend"'), r"run.json.*bakend.*did you mean 'backend'"),
    ],
)  # fmt: skip
def test_what_is_broken_is_a_sentence(file: str, change: object, sentence: str, tmp_path: Path) -> None:
    place = store.save(worlds.run(), tmp_path)
    target = place / file
    if change is None:
        target.unlink()
    else:
        target.write_bytes(change(target.read_bytes()))  # type: ignore[operator]
    with pytest.raises(SpecError, match=sentence):
        store.load(place, tmp_path)


def test_other_columns_are_refused(tmp_path: Path) -> None:
    """Even when the digest was made to fit: the schema is looked at too."""
    place = store.save(worlds.run(), tmp_path)
    (place / "spans.parquet").write_bytes((place / "series.parquet").read_bytes())
    described = json.loads((place / "run.json").read_text())
    described["sha256"]["spans.parquet"] = described["sha256"]["series.parquet"]
    (place / "run.json").write_text(json.dumps(described))
    with pytest.raises(SpecError, match="found columns name, component, at_s, value, expected columns request, kind"):
        store.load("measured-1", tmp_path)
