"""What is wrong with a file, in one sentence each; raised by every reader of a spec, shown by the command line.

SpecError (ValueError)      a file cannot be used; carries one Problem per mistake
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known word nearest to a misspelt one, or None where nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return near[0] if near and near[0] != word else None


@dataclass(frozen=True)
class Problem:
    """One mistake: where it stands, what was found there and what was expected."""

    path: str
    found: str
    expected: str
    file: str = ""
    line: int | None = None
    suggestion: str | None = None

    def __str__(self) -> str:
        """Read as ``file:line: key.path: found X, expected Y; did you mean 'Z'?``, in one line whatever was found."""
        place = ":".join(str(part) for part in (self.file, self.line) if part)
        where = ": ".join(part for part in (place, self.path) if part)
        hint = f"; did you mean {self.suggestion!r}?" if self.suggestion else ""
        said = f"{where}{': ' if where else ''}found {self.found}, expected {self.expected}{hint}"
        return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in said)


class SpecError(ValueError):
    """A file that cannot be used. ``problems`` holds every mistake that was found, in the file's order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems; the message is their sentences, a line each."""
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@contextmanager
def within(file: str, path: str = "") -> Iterator[None]:
    """What is wrong in here is a mistake of this file (at this path), unless it says of which."""
    try:
        yield
    except SpecError as error:
        problems = (p if p.file else replace(p, file=file, path=p.path or path) for p in error.problems)
        raise SpecError(problems) from None


def problem_at(path: str, found: str, expected: str, word: str = "", known: Iterable[str] = ()) -> ValueError:
    """A mistake that only several values together show; ``reading`` turns it into a Problem with its line.

    ``path`` is seen from the model whose validator raises it; ``word`` and ``known`` make the "did you mean".
    """
    hint = did_you_mean(word, known) if word else None
    error = ValueError(f"found {found}, expected {expected}")
    error.problem = (path, found, expected, hint)  # type: ignore[attr-defined]
    return error
