"""Runs on disk: a directory each, written whole or not at all. Used by every command that makes or reads runs.

    .windtunnel/runs/<id>/run.json          the record, the store's format, a SHA-256 of each table's file
    .windtunnel/runs/<id>/{samples,spans,writes,series}.parquet

The same run is the same bytes. What cannot be read is a SpecError: one sentence per mistake.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from windtunnel.spec.problem import Problem, SpecError, did_you_mean
from windtunnel.spec.reading import validate
from windtunnel.spec.run import SAMPLES, SERIES, SKETCHES, SLICES, SPANS, SUBJECTS, WRITES, Run, RunRecord

FORMAT = 1
"""Counts up when a stored run can no longer be read as before."""
ROOT = Path(".windtunnel/runs")
TABLES = {"samples": SAMPLES, "spans": SPANS, "writes": WRITES, "series": SERIES}
COUNTED = {"sketches": SKETCHES, "subjects": SUBJECTS, "slices": SLICES}
"""Of runs that observe sketches."""


def save(run: Run, root: Path = ROOT) -> Path:
    """Store a run and return its directory: written beside it and renamed, so that nobody ever sees half of it.

    The same run a second time changes nothing. A forecast is replaced (it can be made again); SpecError where
    a measured run of that id, but with other content, is there already.
    """
    _refuse_hidden(run.record.id)
    root.mkdir(parents=True, exist_ok=True)
    place = root / run.record.id
    made = Path(tempfile.mkdtemp(prefix=f".{run.record.id}.", dir=root))
    try:
        _write(run, made)
        if place.exists():
            if (place / "run.json").is_file() and _same(place / "run.json", made / "run.json"):
                return place
            if run.record.kind == "measured":
                raise _problem(place, "another run of this id", "an id of its own for every measured run")
            shutil.rmtree(place)
        made.rename(place)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return place


def load(path_or_id: str | Path, root: Path = ROOT) -> Run:
    """Read a run by its id, directory or run.json. SpecError when it is unknown, broken or of another format."""
    place = _find(path_or_id, root)
    described = _description(place)
    record = _record(described, place)
    tables = {}
    for name, schema in _tables(record).items():
        file = place / f"{name}.parquet"
        try:
            content = file.read_bytes()
        except OSError as error:
            raise _problem(file, error.strerror or str(error), "a file that can be read") from error
        if hashlib.sha256(content).hexdigest() != described["sha256"].get(file.name):
            raise _problem(file, "other bytes than were stored", "the file as it was written; make the run again")
        table = pq.read_table(pa.BufferReader(content))
        if not table.schema.equals(schema):
            raise _problem(file, f"columns {', '.join(table.schema.names)}", f"columns {', '.join(schema.names)}")
        tables[name] = table
    return Run(record, **tables)


def record(path_or_id: str | Path, root: Path = ROOT) -> RunRecord:
    """Only the record: cheap, for listings. SpecError as in ``load``."""
    place = _find(path_or_id, root)
    return _record(_description(place), place)


def ids(root: Path = ROOT) -> tuple[str, ...]:
    """The ids of all stored runs, in the order in which they were stored."""
    found = ((file.stat().st_mtime_ns, file.parent.name) for file in root.glob("*/run.json"))
    return tuple(name for _, name in sorted(found) if not name.startswith("."))


def latest(root: Path = ROOT, kind: Literal["measured", "forecast"] | None = None) -> Run:
    """The run that was stored last, of one kind or of any. SpecError where there is none."""
    for name in reversed(ids(root)):
        if kind is None or record(name, root).kind == kind:
            return load(name, root)
    raise _problem(root, "no stored run", f"a {kind or 'stored'} run; make one with `windtunnel run` or `simulate`")


def _tables(record: RunRecord) -> dict[str, pa.Schema]:
    return TABLES | COUNTED if "sketches" in record.observes else TABLES


def _write(run: Run, place: Path) -> None:
    digests = {}
    for name in _tables(run.record):
        file = place / f"{name}.parquet"
        table: pa.Table = getattr(run, name)
        pq.write_table(table.combine_chunks(), file, compression="zstd")
        digests[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    description = {
        "format": FORMAT,
        "record": run.record.model_dump(mode="json", by_alias=True),
        "sha256": digests,
    }
    (place / "run.json").write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    place.chmod(0o755)  # mkdtemp makes it 0700: a report job of another user may read runs


def _find(path_or_id: str | Path, root: Path) -> Path:
    path = Path(path_or_id)
    if path.name == "run.json" and path.is_file():
        return path.parent
    if (path / "run.json").is_file():
        return path
    name = str(path_or_id)
    _refuse_hidden(name)
    place = root / name
    if len(path.parts) == 1 and (place / "run.json").is_file():
        return place
    known = ids(root)
    expected = f"a stored run in {root} or a run's directory" if known else f"a run: none is stored in {root} yet"
    raise SpecError([Problem("run", repr(name), expected, suggestion=did_you_mean(name, known))])


def _description(place: Path) -> dict[str, Any]:
    file = place / "run.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _problem(file, f"what is not JSON ({error})", "the record of a run") from error
    if not isinstance(found, dict) or "format" not in found:
        raise _problem(file, "JSON without a format", "the record of a run")
    if found["format"] != FORMAT:
        writer = found.get("record", {}).get("version", "unknown")
        raise _problem(
            file,
            f"format {found['format']}, written by windtunnel {writer}",
            f"format {FORMAT}; read it with that version or make the run again",
        )
    if not isinstance(found.get("sha256"), dict):
        raise _problem(file, "no digests of the tables", "a SHA-256 for each")
    return found


def _record(described: dict[str, Any], place: Path) -> RunRecord:
    return validate(described.get("record"), RunRecord, str(place / "run.json"))


def _refuse_hidden(name: str) -> None:
    """Ids are directory names: ``..`` must not lead out of the store, and hidden ones are runs being written."""
    if name.startswith(".") and "/" not in name:
        raise SpecError([Problem("run", repr(name), "an id that does not begin with a dot")])


def _same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


def _problem(file: Path, found: str, expected: str) -> SpecError:
    return SpecError([Problem("", found, expected, str(file))])
