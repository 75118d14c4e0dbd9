"""A bar on standard error for a known number of pieces, or for stages with a count; plain lines where nobody looks."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

PLAIN_EVERY_S = 5.0


class Counting:
    """One long piece of work that consists of many of the same kind."""

    def __init__(self, what: str, total: int | None = None, console: Console | None = None) -> None:
        """``what``: as ``trials``; ``total``: None where nobody knows."""
        self._console = console or Console(stderr=True, highlight=False)
        self._what = what
        self._total = total
        self._stage = ""
        self._started = time.monotonic()
        self._told = 0.0
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            *([BarColumn(bar_width=32), MofNCompleteColumn(), TimeRemainingColumn()] if total is not None else []),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task(what, total=total, note="")

    def __enter__(self) -> Counting:
        """Show the bar."""
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take it away."""
        if self._console.is_terminal:
            self._bar.stop()

    def at(self, done: int) -> None:
        """So many are done."""
        if self._console.is_terminal:
            note = f"{done} {self._what}" if self._total is None else ""
            self._bar.update(self._task, completed=done, note=note)
        elif time.monotonic() - self._told >= PLAIN_EVERY_S or done == self._total:
            self._told = time.monotonic()
            whole = f" of {self._total}" if self._total is not None else ""
            self._say(f"{done}{whole} {self._what}")

    def stage(self, text: str) -> None:
        """A new part begins."""
        if text == self._stage:
            return
        self._stage = text
        if self._console.is_terminal:
            self._bar.update(self._task, description=text)
        else:
            self._say(text)

    def _say(self, text: str) -> None:
        line = f"[{time.monotonic() - self._started:6.1f} s] {text}"
        self._console.print(line, markup=False, soft_wrap=True)
