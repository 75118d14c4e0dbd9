"""How often and when the app tries again."""

import asyncio
from random import Random

import pytest

from windtunnel.reference_service.app.retry import Retry
from windtunnel.reference_service.errors import LlmFailed, ServiceError, TimedOut


class Attempts:
    """Fails with the given errors in turn, then answers; remembers when it was asked and until when it may last."""

    def __init__(self, *errors: ServiceError) -> None:
        self.errors = list(errors)
        self.asked_s: list[float] = []
        self.until_s: list[float] = []

    async def __call__(self, number: int, until_s: float) -> str:
        assert number == len(self.asked_s)
        self.asked_s.append(asyncio.get_running_loop().time())
        self.until_s.append(until_s)
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def failed(*, retryable: bool = True, retry_after_s: float | None = None) -> LlmFailed:
    return LlmFailed("no", retryable=retryable, retry_after_s=retry_after_s)


def run(attempts: Attempts, *, may_retry: bool = True, seed: int = 1, **changes: float) -> str:
    settings = {"timeout_s": 1.0, "deadline_s": 5.0, "retries": 2, "backoff_s": 0.02} | changes
    return asyncio.run(Retry(**settings, random=Random(seed)).run(attempts, lambda: may_retry))


def test_an_answer_needs_one_attempt():
    attempts = Attempts()
    assert run(attempts) == "answer"
    assert len(attempts.asked_s) == 1


def test_failures_are_tried_again_up_to_the_number_of_retries():
    assert run(Attempts(failed(), TimedOut("slow"))) == "answer"
    last = failed()
    attempts = Attempts(failed(), failed(), last, failed())
    with pytest.raises(LlmFailed) as raised:
        run(attempts)
    assert raised.value is last
    assert len(attempts.asked_s) == 3


@pytest.mark.parametrize(
    ("error", "settings"),
    [
        (failed(retryable=False), {}),
        (failed(), {"may_retry": False}),
        (failed(), {"retries": 0}),
        (failed(retry_after_s=10.0), {}),  # would end after the deadline
    ],
)
def test_what_cannot_help_is_not_tried(error, settings):
    attempts = Attempts(error)
    with pytest.raises(LlmFailed):
        run(attempts, **settings)
    assert len(attempts.asked_s) == 1


def test_the_backoff_is_full_jitter_from_the_seed():
    expected = Random(3)
    waits_s = [expected.uniform(0, 0.1), expected.uniform(0, 0.2)]
    attempts = Attempts(failed(), failed())
    run(attempts, seed=3, backoff_s=0.1)
    found_s = [later - earlier for earlier, later in zip(attempts.asked_s, attempts.asked_s[1:], strict=False)]
    assert found_s == pytest.approx(waits_s, abs=0.03)


def test_a_providers_retry_after_lengthens_the_wait():
    attempts = Attempts(failed(retry_after_s=0.2))
    run(attempts)
    assert attempts.asked_s[1] - attempts.asked_s[0] >= 0.2


def test_an_attempt_may_last_until_its_time_out_or_the_deadline():
    attempts = Attempts(failed(retry_after_s=0.3))
    run(attempts, timeout_s=1.0, deadline_s=1.1)
    first, second = (until - asked for until, asked in zip(attempts.until_s, attempts.asked_s, strict=True))
    assert first == pytest.approx(1.0, abs=0.02)
    assert second == pytest.approx(0.8, abs=0.05)
