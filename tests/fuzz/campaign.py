"""Hypothesis on cases for some minutes: what is found is made smaller, kept with its files, and not found again.

<journal>            one JSON object a line: batches with their seeds, and flaws
<journal>.examples/  Hypothesis's own database: what has failed is tried again first
<journal>.found/     the smallest case of each flaw, as files
"""

from __future__ import annotations

import faulthandler
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from tests.fuzz.broken import broken, extreme
from tests.fuzz.trial import LIMIT_S, Flaw, Trial, plain, tried
from tests.fuzz.valid import ARCHITECTURE, PARAMETERS, SCENARIO, Case, valid
from tests.fuzz.words import said, sayable
from windtunnel.spec.reading import parse
from windtunnel.spec.schema import FILES

BATCH = 100
"""Cases of one seed."""
KINDS: dict[str, SearchStrategy[Case]] = {"valid": valid(), "broken": broken(), "extreme": extreme()}
SHARES = ("valid", "broken", "extreme", "broken")
"""In turn: a broken case takes a third of the time."""
SHRINKING = 200
"""Cases that are tried to make one smaller."""
OF = {SCENARIO: "scenario", ARCHITECTURE: "architecture", PARAMETERS: "parameters"}
"""What the files of a case are; the others are deployments."""
STUCK_S = 600.0
"""Seconds by the clock after which a case is taken to hang where no signal reaches it."""


class Found(Exception):
    """A flaw that was not known before."""

    def __init__(self, flaw: Flaw, case: Case) -> None:
        """Hypothesis keeps the exception of the smallest case."""
        super().__init__(flaw.signature)
        self.flaw = flaw
        self.case = case


@dataclass
class Ledger:
    """What has been tried and what came of it."""

    ends: Counter[str] = field(default_factory=Counter)
    """``valid passed``: how many."""
    words: Counter[str] = field(default_factory=Counter)
    """Of valid cases."""
    broken: Counter[str] = field(default_factory=Counter)
    """What was done to cases."""
    sentences: Counter[str] = field(default_factory=Counter)
    """Without figures and names."""
    flaws: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    slowest: str = ""

    @property
    def cases(self) -> int:
        """How many in all."""
        return self.ends.total()

    def note(self, case: Case, trial: Trial) -> None:
        """One more."""
        self.ends[f"{'broken' if case.broken else 'valid'} {trial.end}"] += 1
        self.sentences.update({plain(sentence.rpartition(": ")[2]) for sentence in trial.sentences})
        if case.broken:
            self.broken[case.broken.partition(", ")[0].partition(": number")[0]] += 1
        else:
            self.words.update(words_of(case))
        if trial.cpu_s > self.slowest_s:
            self.slowest_s, self.slowest = trial.cpu_s, f"{case.broken or 'valid'} {' '.join(case.options)}"
        if trial.flaw is not None:
            self.flaws[trial.flaw.signature] += 1


def words_of(case: Case) -> set[str]:
    """What a valid case says."""
    found: set[str] = set()
    for name, content in case.files.items():
        if not name.endswith(".csv"):
            found.update(said(parse(content.decode(), FILES[OF.get(name, "deployment")])))
    return found


def campaign(minutes: float, seed: int, journal: Path, tell: Callable[[str], None]) -> Ledger:
    """Batches until the time is up, the first one whatever it takes."""
    ledger, known = Ledger(), set[str]()
    database = DirectoryBasedExampleDatabase(f"{journal}.examples")
    current = journal.with_suffix(".current")
    began = time.monotonic()
    number = 0
    with journal.open("a", encoding="utf-8") as lines, Path(f"{journal}.stuck").open("w") as stuck:

        def write(**what: object) -> None:
            print(json.dumps(what), file=lines, flush=True)

        def watched(case: Case) -> Trial:
            faulthandler.dump_traceback_later(STUCK_S, exit=True, file=stuck)
            keep(case, current)
            try:
                return tried(case, LIMIT_S)
            finally:
                faulthandler.cancel_dump_traceback_later()

        while (spent := time.monotonic() - began) < minutes * 60:
            kind = SHARES[number % len(SHARES)]
            before = ledger.cases
            found = batch(KINDS[kind], seed + number, BATCH, ledger, known, watched, database)
            for each in found:
                known.add(each.flaw.signature)
                folder = Path(f"{journal}.found") / f"{seed + number}-{len(known)}"
                keep(each.case, folder)
                (folder / "told.txt").write_text(
                    f"{each.flaw.signature}\n\n{each.flaw.told}", errors="backslashreplace"
                )
                write(flaw=each.flaw.signature, seed=seed + number, kind=kind, folder=str(folder))
                tell(f"{spent / 60:6.1f} min  FLAW {each.flaw.signature}  ({folder})")
            write(
                seed=seed + number, kind=kind, cases=ledger.cases - before, seconds=round(time.monotonic() - began, 1)
            )
            number += 1
            if number % 10 == 0:
                tell(f"{(time.monotonic() - began) / 60:6.1f} min  {ledger.cases} cases, {len(known)} flaws")
        write(end=True, minutes=round((time.monotonic() - began) / 60, 1), cases=ledger.cases, flaws=len(known))
    return ledger


def batch(
    cases: SearchStrategy[Case],
    seed: int,
    count: int,
    ledger: Ledger,
    known: set[str],
    attempt: Callable[[Case], Trial],
    database: ExampleDatabase | None = None,
) -> list[Found]:
    """So many cases of a seed; the smallest case of a flaw that is not known."""
    last: list[Found] = []
    since = 0

    @seeded(seed)
    @settings(
        max_examples=count,
        deadline=None,
        database=database,
        phases=(Phase.reuse, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        print_blob=False,
    )
    @given(cases)
    def each(case: Case) -> None:
        nonlocal since
        since += bool(last)
        if since > SHRINKING:
            return
        trial = attempt(case)
        ledger.note(case, trial)
        if trial.flaw is not None and trial.flaw.signature not in known:
            # another flaw that is met while one is made smaller has its time later
            if last and last[0].flaw.signature != trial.flaw.signature:
                return
            last[:] = [Found(trial.flaw, case)]
            raise last[0]

    try:
        each()
    except (Found, Flaky):
        return last
    return []


def keep(case: Case, folder: Path) -> None:
    """The case as files, with the command in one more."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    for name, content in case.files.items():
        (folder / name).write_bytes(content)
    (folder / "command.txt").write_text(
        f"windtunnel simulate {SCENARIO} {' '.join(case.options)}\n"
        f"many_requests: {case.many_requests}\nbroken: {case.broken}\n",
        errors="backslashreplace",
    )


def table(ledger: Ledger) -> str:
    """All of it, to be read by people."""
    never = sorted(sayable() - set(ledger.words))
    parts = {
        f"{ledger.cases} cases": ledger.ends,
        "broken by": ledger.broken,
        "sentences": Counter(dict(ledger.sentences.most_common(60))),
        f"{len(ledger.words)} words of valid cases, the rarest": Counter(dict(ledger.words.most_common()[-40:])),
        "flaws": ledger.flaws,
    }
    lines = []
    for title, counts in parts.items():
        lines += [title, *(f"  {count:7,}  {what}" for what, count in counts.most_common()), ""]
    lines += [f"words never said: {', '.join(never) or 'none'}"]
    lines += [f"slowest: {ledger.slowest_s:.1f} s of processor time, {ledger.slowest}"]
    return "\n".join(lines)
