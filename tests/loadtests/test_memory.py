from __future__ import annotations

from collections import Counter

import pytest

from windtunnel.loadtests.memory import PRIMING, Memory


def remembering(*requests: int) -> Memory:
    memory = Memory()
    for request in requests:
        memory.remember(request, "id", f"of {request}")
    return memory


def test_nothing_is_recalled_of_what_nobody_said() -> None:
    memory = remembering(PRIMING)
    assert memory.knows("id")
    assert not memory.knows("other")
    with pytest.raises(KeyError):
        memory.recall("other", 5, 0.5)


def test_the_choice_is_uniform_over_all_requests_before() -> None:
    memory = remembering(PRIMING, *range(9))
    drawn = Counter(memory.recall("id", 9, step / 1000) for step in range(1000))
    assert drawn == {f"of {request}": 100 for request in (PRIMING, *range(9))}


def test_a_request_without_an_answer_is_stood_in_for_by_the_one_before() -> None:
    memory = remembering(PRIMING, 2, 6)
    recalled = [memory.recall("id", 9, (request - PRIMING) / 10) for request in range(PRIMING, 9)]
    assert recalled == ["of -1"] * 3 + ["of 2"] * 4 + ["of 6"] * 3


def test_the_order_in_which_answers_came_does_not_matter() -> None:
    early, late = remembering(PRIMING, 0, 1, 2, 3), remembering(3, 1, PRIMING, 2, 0)
    draws = [step / 50 for step in range(50)]
    assert [early.recall("id", 4, x) for x in draws] == [late.recall("id", 4, x) for x in draws]


def test_a_later_answer_changes_no_earlier_choice() -> None:
    memory = remembering(PRIMING, 0, 1)
    before = memory.recall("id", 3, 0.4)
    memory.remember(2, "id", "of 2")
    assert memory.recall("id", 3, 0.4) == before
