"""Tells on standard error what is going on: a live line on a terminal, plain lines elsewhere (CI, a pipe)."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from windtunnel.harness.execute import Progress as RunProgress

PLAIN_EVERY_S = 5.0


class Telling:
    """One long piece of work: stages, and within a measured run its seconds."""

    def __init__(self, console: Console | None = None, quiet: bool = False) -> None:
        """``quiet`` says nothing at all."""
        self.console = console or Console(stderr=True, highlight=False)
        self._live = self.console.is_terminal and not quiet
        self._quiet = quiet
        self._started = time.monotonic()
        self._last_plain = 0.0
        self._stage = ""
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, note="", visible=False)

    def __enter__(self) -> Telling:
        """Start the live line."""
        if self._live:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the live line away."""
        if self._live:
            self._bar.stop()

    def stage(self, text: str) -> None:
        """A new piece of work begins."""
        if self._quiet or text == self._stage:
            return
        self._stage = text
        if self._live:
            self._bar.update(self._task, description=text, total=None, completed=0, note="", visible=True)
        else:
            self.console.print(f"[{time.monotonic() - self._started:6.1f} s] {text}", markup=False, soft_wrap=True)

    def count(self, text: str, done: int, total: int) -> None:
        """One of several alike pieces of work begins; of one alone nothing but that it goes on."""
        if self._quiet:
            return
        if self._live:
            whole, note = (total, f"{done} of at most {total}") if total > 1 else (None, "")
            self._bar.update(self._task, description=text, visible=True, total=whole, completed=done, note=note)
        elif time.monotonic() - self._last_plain >= PLAIN_EVERY_S and total > 1:
            self._last_plain = time.monotonic()
            self.console.print(f"           {text}: {done} of at most {total}", markup=False, soft_wrap=True)

    def share(self, text: str, done: float) -> None:
        """A piece of work is over by so much, from 0 to 1."""
        if self._quiet:
            return
        note = f"{100 * done:.0f} %"
        if self._live:
            self._bar.update(self._task, description=text, visible=True, total=1.0, completed=done, note=note)
        elif time.monotonic() - max(self._last_plain, self._started) >= PLAIN_EVERY_S:
            self._last_plain = time.monotonic()
            self.console.print(f"           {text}: {note}", markup=False, soft_wrap=True)

    def watch(self, run: RunProgress) -> None:
        """A measured run goes on."""
        if self._quiet:
            return
        p50 = "" if run.p50_ms is None else f", p50 {run.p50_ms:.0f} ms"
        note = f"{run.window.replace('_', '-')}: {run.sent} sent, {run.failed} failed{p50}"
        if self._live:
            self._bar.update(
                self._task, total=run.total_s, completed=min(run.at_s, run.total_s), note=note, visible=True
            )
        elif time.monotonic() - self._last_plain >= PLAIN_EVERY_S:
            self._last_plain = time.monotonic()
            self.console.print(f"           {run.at_s:5.1f} of {run.total_s:g} s, {note}", markup=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """A sentence that stays."""
        if not self._quiet:
            self.console.print(text, markup=False, soft_wrap=True)
