"""A sentence is one line, and says of which file it is."""

from __future__ import annotations

import pytest

from windtunnel.spec.problem import Problem, SpecError, within


def test_a_sentence_is_one_line_whatever_was_found() -> None:
    said = str(Problem("a\nb", "x\x1b[2J\u2028\ud800ü", "text", "file\n.yaml", 3))
    assert said == r"file\n.yaml:3: a\nb: found x\x1b[2J\u2028\ud800ü, expected text"
    said.encode()


def test_a_mistake_within_a_file_is_told_with_the_file() -> None:
    other = Problem("", "b", "c", "other.csv", 4)
    with pytest.raises(SpecError) as caught, within("x.yaml", "load.trace"):
        raise SpecError([Problem("", "a", "b"), Problem("key", "b", "c"), other])
    assert caught.value.problems == (
        Problem("load.trace", "a", "b", "x.yaml"),
        Problem("key", "b", "c", "x.yaml"),
        other,
    )
