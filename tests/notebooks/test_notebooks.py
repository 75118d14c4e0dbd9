"""Notebooks and plots are those that their code makes. What has changed is written by ``python -m tests.notebooks``."""

from __future__ import annotations

import base64
import copy
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.notebooks.executing import ROOT, Shown, code_cells, digest, execute, read, written

NOTEBOOKS = sorted(ROOT.glob("*.ipynb"))
AGAIN = "run python -m tests.notebooks"
every_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
CLOSE = 1e-4
"""Of numbers that are drawn: the last digits may depend on the processor."""


def outputs(content: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [each for cell in code_cells(content) for each in cell["outputs"] if each["output_type"] == kind]


def texts(content: dict[str, Any]) -> list[str]:
    return ["".join(each["text"]) for each in outputs(content, "stream")]


def pictures(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["data"]["text/plain"][0]: each for each in outputs(content, "display_data")}


def differences(stored: dict[str, Any], made: dict[str, Any]) -> list[str]:
    """Where two versions of a notebook show something else."""
    found = [
        f"found {one!r}, made {other!r}" for one, other in zip(texts(stored), texts(made), strict=False) if one != other
    ]
    if len(texts(stored)) != len(texts(made)):
        found.append("another number of cells that say something")
    drawn, again = ({name: each["metadata"]["drawn"] for name, each in pictures(one).items()} for one in (stored, made))
    if list(drawn) != list(again):
        return [*found, f"found figures {', '.join(drawn)}, made {', '.join(again)}"]
    return found + [f"figure {name} is another one" for name in drawn if not same(drawn[name], again[name])]


def same(one: Any, other: Any) -> bool:
    """Equal, numbers nearly."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other, rel=CLOSE, abs=CLOSE)
    return bool(one == other)


@pytest.mark.timeout(600)  # some half a minute of two quiet processors
@every_notebook
def test_it_shows_what_its_code_makes(notebook: Path) -> None:
    stored = read(notebook)
    found = differences(stored, written(copy.deepcopy(stored), execute(notebook)))
    assert not found, "\n".join([AGAIN, *found])


@every_notebook
def test_its_plots_are_the_pictures_that_it_shows(notebook: Path) -> None:
    shown = pictures(read(notebook))
    assert shown
    for name, output in shown.items():
        png = (notebook.parent / "plots" / f"{name}.png").read_bytes()
        assert png == base64.b64decode(output["data"]["image/png"]), f"{name}: {AGAIN}"
        text = Image.open(io.BytesIO(png)).info
        assert text["Description"] == digest(output["metadata"]["drawn"]), f"{name}: {AGAIN}"


def test_no_plot_is_left_over() -> None:
    shown = {name for notebook in NOTEBOOKS for name in pictures(read(notebook))}
    assert {path.stem for path in (ROOT / "plots").iterdir()} == shown


@every_notebook
def test_it_is_a_notebook_whose_cells_are_short(notebook: Path) -> None:
    content = read(notebook)
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in content["cells"]]
    assert len(ids) == len(set(ids))
    imports, *cells = code_cells(content)
    assert all(len(cell["source"]) <= 20 for cell in cells)
    assert [cell["execution_count"] for cell in [imports, *cells]] == list(range(1, len(cells) + 2))


def test_stored_runs_are_small() -> None:
    for run in (ROOT / "runs").iterdir():
        assert sum(file.stat().st_size for file in run.iterdir()) < 200_000


def test_what_a_cell_puts_out_is_its_text_its_last_value_and_its_figures(tmp_path: Path) -> None:
    cells = [
        'import matplotlib.pyplot as plt\nprint("a")\n1 + 1',
        'figure, axes = plt.subplots(num="two")\naxes.plot([0, 1], [0, 2])\naxes.bar([1], [3]);',
        "pass",
    ]
    assert _shown(tmp_path, cells) == [("a\n2\n", []), ("", ["two"]), ("", [])]
    picture = execute(tmp_path / "some.ipynb")[1].pictures[0]
    assert picture.drawn[0]["lines"] == [[[0.0, 0.0], [1.0, 2.0]]]
    assert picture.drawn[0]["bars"] == [[0.6, 0.0, 1.4, 3.0]]


def test_another_number_another_text_and_another_figure_are_seen(tmp_path: Path) -> None:
    one, other = (
        _content(tmp_path, [f'import matplotlib.pyplot as plt\nprint({n})\nplt.figure(num="f").gca().plot([0, {n}]);'])
        for n in (1, 2)
    )
    assert differences(one, one) == []
    assert differences(one, other) == ["found '1\\n', made '2\\n'", "figure f is another one"]
    renamed = _content(tmp_path, ['import matplotlib.pyplot as plt\nprint(1)\nplt.figure(num="g").gca().plot([0, 1]);'])
    assert differences(one, renamed) == ["found figures f, made g"]


def _content(folder: Path, sources: list[str]) -> dict[str, Any]:
    """A notebook of these cells with the outputs that they make."""
    cells = [{"cell_type": "code", "source": source.splitlines(keepends=True)} for source in sources]
    file = folder / "some.ipynb"
    file.write_text(json.dumps({"cells": cells}))
    return written(read(file), execute(file))


def _shown(folder: Path, sources: list[str]) -> list[tuple[str, list[str]]]:
    _content(folder, sources)
    shown: list[Shown] = execute(folder / "some.ipynb")
    return [(each.text, [picture.name for picture in each.pictures]) for each in shown]
