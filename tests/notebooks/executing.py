"""Executes a notebook without Jupyter: its code cells one after the other, their text and figures as its outputs.

Used by ``python -m tests.notebooks``, which writes them into the notebook, and by the tests, which compare them. A
figure is told by its number's label: ``plt.subplots(num="capacity")`` is ``plots/capacity.png``. What is drawn in it is
kept as numbers beside the picture, since the same picture has other bytes with another version of matplotlib.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import hashlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[2] / "notebooks"
DIGITS = 6
Cell = dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """A figure that a cell has drawn."""

    name: str
    png: bytes
    drawn: list[dict[str, Any]]
    """The numbers in it, an entry for each of its axes."""

    @property
    def digest(self) -> str:
        return digest(self.drawn)


@dataclass(frozen=True)
class Shown:
    """What a cell has put out."""

    text: str
    pictures: tuple[Picture, ...]


def read(notebook: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(notebook.read_text(encoding="utf-8"))
    return found


def code_cells(content: dict[str, Any]) -> list[Cell]:
    return [cell for cell in content["cells"] if cell["cell_type"] == "code"]


def execute(notebook: Path) -> list[Shown]:
    """What each code cell puts out, run in the notebook's folder, as Jupyter does."""
    names: dict[str, Any] = {"__name__": "notebook"}
    with contextlib.chdir(notebook.parent), mpl.rc_context():
        return [
            _run("".join(cell["source"]), names, f"{notebook.name}[{number}]")
            for number, cell in enumerate(code_cells(read(notebook)), start=1)
        ]


def written(content: dict[str, Any], shown: list[Shown]) -> dict[str, Any]:
    """The notebook with these outputs, as nbformat 4.5 has them."""
    for number, (cell, what) in enumerate(zip(code_cells(content), shown, strict=True), start=1):
        cell["execution_count"] = number
        cell["outputs"] = [*_text(what), *(_picture(each) for each in what.pictures)]
    return content


def digest(drawn: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(drawn, sort_keys=True).encode()).hexdigest()[:16]


def _run(source: str, names: dict[str, Any], where: str) -> Shown:
    """The last line's value is shown where it is an expression without a semicolon."""
    tree = ast.parse(source, where)
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, where, "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), where, "eval"), names)
            if value is not None and not source.rstrip().endswith(";"):
                print(value)
    pictures = tuple(_taken(plt.figure(number)) for number in plt.get_fignums())
    plt.close("all")
    return Shown(told.getvalue(), pictures)


def _taken(figure: Figure) -> Picture:
    drawn = [_numbers(axes) for axes in figure.axes]
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None, "Description": digest(drawn)})
    return Picture(str(figure.get_label()), file.getvalue(), drawn)


def _numbers(axes: Axes) -> dict[str, Any]:
    return {
        "title": axes.get_title(loc="left") or axes.get_title(),
        "labels": [axes.get_xlabel(), axes.get_ylabel()],
        "lines": [_rounded(line.get_xydata()) for line in axes.get_lines()],
        "bars": [_rounded([*patch.get_bbox().extents]) for patch in axes.patches if hasattr(patch, "get_bbox")],
        "texts": [text.get_text() for text in axes.texts],
    }


def _rounded(values: Any) -> Any:
    if isinstance(values, list | np.ndarray):
        return [_rounded(value) for value in values]
    return float(f"{float(values):.{DIGITS}g}")


def _text(shown: Shown) -> Iterator[Cell]:
    if shown.text:
        yield {"output_type": "stream", "name": "stdout", "text": shown.text.splitlines(keepends=True)}


def _picture(picture: Picture) -> Cell:
    encoded = base64.b64encode(picture.png).decode()
    return {
        "output_type": "display_data",
        "data": {"image/png": encoded, "text/plain": [picture.name]},
        "metadata": {"drawn": picture.drawn},
    }


def save(notebook: Path, shown: list[Shown]) -> None:
    """Into the notebook, and each picture into ``plots/``; whole or not at all."""
    plots = notebook.parent / "plots"
    plots.mkdir(exist_ok=True)
    for picture in (picture for each in shown for picture in each.pictures):
        _replace(plots / f"{picture.name}.png", picture.png)
    content = written(read(notebook), shown)
    _replace(notebook, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def _replace(file: Path, content: bytes) -> None:
    made = file.with_name(f".{file.name}.{os.getpid()}")
    made.write_bytes(content)
    made.replace(file)
