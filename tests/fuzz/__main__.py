"""``python -m tests.fuzz --minutes 120``: every valid spec ends in a run, every broken one in a sentence.

Exit code 0: nothing else was seen; 1: something was, and its files are kept beside the journal.
"""

from __future__ import annotations

import argparse
import resource
import sys
import warnings
from pathlib import Path

from tests.fuzz.campaign import campaign, table

MOST_BYTES = 8 * 2**30
"""Of address space: what asks for more is a flaw, too."""


def main() -> int:
    """1 where there are flaws."""
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    asked.add_argument("--minutes", type=float, default=1.0)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--journal", type=Path, default=Path(".windtunnel/fuzz/journal.jsonl"))
    said = asked.parse_args()
    journal: Path = said.journal.resolve()
    journal.parent.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("error")  # a user is not warned, but told
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    ledger = campaign(said.minutes, said.seed, journal, lambda text: print(text, file=sys.stderr, flush=True))
    print(table(ledger).encode(errors="backslashreplace").decode())
    return 1 if ledger.flaws else 0


if __name__ == "__main__":
    sys.exit(main())
