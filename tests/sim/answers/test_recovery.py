"""When answers are good again, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from windtunnel.sim.answers.recovery import recovered

AT_S = np.arange(0, 20, 0.1)
"""Ten requests a second; healed at 10 s."""


def seconds(bad: np.ndarray, tolerated: float = 0.0) -> float | None:
    found = recovered(AT_S, ~bad, healed_at_s=10.0, until_s=20.0, tolerated=tolerated)
    assert found
    assert found.healed_at_s == 10
    return found.seconds


def test_bad_until_four_seconds_after_the_heal() -> None:
    assert seconds((AT_S > 5) & (AT_S < 14 - 1e-9)) == pytest.approx(4.0)


def test_what_was_bad_before_the_heal_does_not_count() -> None:
    assert seconds(AT_S < 9.95) == 0


def test_bad_at_the_very_end_is_not_recovered() -> None:
    assert seconds(AT_S > 19.5) is None
    assert seconds(AT_S > 12) is None


def test_a_relapse_counts() -> None:
    assert seconds((AT_S < 11) | ((AT_S > 15.05) & (AT_S < 16.05))) == pytest.approx(6.1)


def test_as_many_as_before_are_tolerated() -> None:
    one_in_ten = np.arange(len(AT_S)) % 10 == 3
    assert seconds(one_in_ten) is None
    assert seconds(one_in_ten, tolerated=0.1) == 0


def test_nobody_asked() -> None:
    assert recovered([1.0], [True], healed_at_s=10, until_s=20) is None
