"""Where answers are printed: colours where somebody looks, plain aligned text where they are piped. Used by terminal,
parameters and stack.

Colours follow rich: none when the output is no terminal or NO_COLOR is set.
"""

from __future__ import annotations

import sys
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_COLUMNS = 200
"""Wide enough that no row of a table is broken where no terminal sets a width."""


def console(stream: TextIO | None = None) -> Console:
    """A console on a stream (standard output unless told otherwise). Never markup: a question may hold brackets."""
    stream = stream or sys.stdout
    width = None if stream.isatty() else PIPED_COLUMNS
    return Console(file=stream, width=width, highlight=False, emoji=False, markup=False)


def say(out: Console, *parts: str | Text | tuple[str, str]) -> None:
    """A sentence on a line of its own, however long: a terminal breaks it, a file keeps it whole."""
    out.print(Text.assemble(*parts), soft_wrap=True)


def table(*columns: str) -> Table:
    """Columns under bold heads, a line between."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in columns:
        made.add_column(name)
    return made


def grid() -> Table:
    """Names and values, without heads."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim")
    made.add_column()
    return made
