"""One case through the command line's own entry point, in this process, and what is wrong with how it ended.

A valid case has to end in a stored run whose verdict is the exit code. A broken one may do the same, or be refused
with exit code 2 in sentences that name the file. Whatever else happens is a flaw.
"""

from __future__ import annotations

import functools
import io
import re
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from unittest.mock import patch

from tests.fuzz.size import asks_too_much
from tests.fuzz.valid import SCENARIO, Case
from windtunnel.harness import cli, foretell, store
from windtunnel.harness.judge import judge
from windtunnel.sim.simulate import simulate
from windtunnel.spec.schema import FILES

LIMIT_S = 60.0
"""Processor seconds that one case may take. Not those of the clock: others use the machine, too."""
ENDED = {128 + signal.SIGINT, 128 + signal.SIGTERM}
"""Exit codes of a command that a signal has ended."""
SENTENCE = re.compile(r"^(?P<place>.*?)found (?P<found>.+), expected (?P<expected>.+)$")
ROOMS = re.compile(r"/(?:windtunnel|main)/(?:src/windtunnel/)?((?:spec|sim|harness|chaos)/.+\.py)$")


NO_FILE = re.compile(rf"({'|'.join(field for model in FILES.values() for field in model.model_fields)})[.:\[]|$")
"""How the place of a sentence does not begin: first comes the file."""


GARBAGE = "gc_callback"
"""Hypothesis's own, while garbage is collected: what is thrown there is lost."""


class TookTooLong(BaseException):
    """No Exception, so that nobody on the way catches it."""


@dataclass(frozen=True)
class Flaw:
    """What should not have happened."""

    signature: str
    """Alike for what is probably the same mistake."""
    told: str
    """For people: a traceback, or what was printed."""


@dataclass(frozen=True)
class Trial:
    """How a case ended."""

    end: str
    """passed, failed, inconclusive, exact, refused, checked (too large to be run), or flawed."""
    sentences: tuple[str, ...]
    """Why it was refused."""
    cpu_s: float
    flaw: Flaw | None = None


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int | None
    out: str
    err: str
    error: BaseException | None


def tried(case: Case, limit_s: float = LIMIT_S) -> Trial:
    """The case, run in an empty folder."""
    began = time.process_time()
    with TemporaryDirectory(prefix="windtunnel-fuzz-") as name, chdir(name):
        for file, content in case.files.items():
            Path(file).write_bytes(content)
        end, sentences, flaw = _judged(case, limit_s)
    return Trial(end, sentences, time.process_time() - began, flaw)


def _judged(case: Case, limit_s: float) -> tuple[str, tuple[str, ...], Flaw | None]:
    large = bool(case.broken) and asks_too_much(Path(SCENARIO), case.options)
    words = ("check", SCENARIO) if large else ("simulate", SCENARIO, *case.options)
    done = command(words, limit_s, case.many_requests)
    if done.error is not None:
        return "flawed", (), _thrown(done.error)
    if done.code == 2 and (case.broken or "--analytic" in case.options):
        sentences = tuple(line for line in done.err.splitlines() if line and not line.startswith("  "))  # progress is
        return ("refused", sentences, _unclear(sentences, case))
    if done.code not in (0, 1, 3):
        return "flawed", (), Flaw(f"exit code {done.code}: {plain(done.err)}", done.err)
    if large:
        return "checked", (), None
    if "--analytic" in case.options:
        return "exact", (), None
    return ("passed", "failed", "", "inconclusive")[done.code], (), _misjudged(done)


def command(words: tuple[str, ...], limit_s: float, many_requests: int | None = None) -> Ended:
    """``windtunnel`` with some words, by its own entry point. ``many_requests``: from how many on they are counted."""
    printed, told = io.BytesIO(), io.BytesIO()
    out = io.TextIOWrapper(printed, encoding="utf-8", write_through=True)
    err = io.TextIOWrapper(told, encoding="utf-8", errors="backslashreplace", write_through=True)  # as Python's own
    lowered = simulate if many_requests is None else functools.partial(simulate, many_requests=many_requests)
    code: int | None = None
    error: BaseException | None = None
    with (
        patch.object(sys, "argv", ["windtunnel", *words]),
        patch.object(foretell, "simulate", lowered),
        _own_signals(),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            with _limited(limit_s):
                cli.main()
        except SystemExit as ended:
            if ended.code in ENDED:
                raise KeyboardInterrupt from None  # somebody wants all of this to end: Hypothesis keeps SystemExit
            code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        except (Exception, TookTooLong) as thrown:
            error = thrown
    return Ended(code, printed.getvalue().decode(), told.getvalue().decode(), error)


@contextmanager
def _limited(limit_s: float) -> Iterator[None]:
    def end(_number: int, frame: FrameType | None) -> None:
        if frame is None or frame.f_code.co_name != GARBAGE:
            raise TookTooLong

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, limit_s, 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def _own_signals() -> Iterator[None]:
    """The command line takes Ctrl-C and SIGTERM for itself: give them back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _thrown(error: BaseException) -> Flaw:
    """Known by its kind and the innermost lines of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f"{found[1]}:{frame.name}" for frame in frames if (found := ROOMS.search(frame.filename))]
    told = "".join(traceback.format_exception(error, limit=-40))
    if isinstance(error, TookTooLong):  # where it was at that moment is chance
        return Flaw(f"took too long in {' < '.join(ours[-6:][:2])}", told)
    return Flaw(f"{type(error).__name__} in {' < '.join(reversed(ours[-2:]))}", told)


def _unclear(sentences: tuple[str, ...], case: Case) -> Flaw | None:
    """Refused in words that do not help."""
    if not sentences:
        return Flaw("refused without a word", "")
    for sentence in sentences:
        found = SENTENCE.match(sentence)
        if found is None:
            return Flaw(f"no sentence: {plain(sentence)}", "\n".join(sentences))
        if case.broken and NO_FILE.match(found["place"]):
            return Flaw(f"no file named: {plain(sentence)}", "\n".join(sentences))
    return None


def _misjudged(done: Ended) -> Flaw | None:
    """A run is there, can be read again, and gets the verdict that the exit code tells."""
    runs = store.ids()
    if len(runs) != 1:
        return Flaw(f"{len(runs)} runs are stored", done.err)
    try:
        run = store.load(runs[0])
        ruling = judge(run)
    except Exception as error:
        return _thrown(error)
    if run.digest() not in done.out:
        return Flaw("another digest than was printed", done.out)
    if ruling.exit_code != done.code:
        return Flaw("another verdict than the exit code", f"{done.code} and {ruling.model_dump_json()}")
    return Flaw("nothing was answered", done.err) if not done.out.strip() else None


def plain(text: str) -> str:
    """Without figures and names, so that the same sentence about other things is the same."""
    return re.sub(r"'[^']*'|\[\d+\]|\d+", "#", text.strip().splitlines()[0] if text.strip() else "")[:120]
