"""What earlier answers said and later requests use: the conversation a history is asked of, for example.

A request draws a number among all requests before it and takes the value of the newest answer at or before that
number. So the choice is uniform over the run so far, and a replay with the same seed differs only where
the answers themselves came at other times, or failed.
"""

from __future__ import annotations

from bisect import bisect_right

from pydantic import JsonValue

PRIMING = -1
"""The number of the request that is made before the first of the schedule."""


class Memory:
    """Values by name, in the order of the requests that brought them."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._requests: dict[str, list[int]] = {}
        self._values: dict[str, list[JsonValue]] = {}

    def remember(self, request: int, name: str, value: JsonValue) -> None:
        """Keep what the answer to this request said."""
        requests = self._requests.setdefault(name, [])
        at = bisect_right(requests, request)
        requests.insert(at, request)
        self._values.setdefault(name, []).insert(at, value)

    def knows(self, name: str) -> bool:
        """Whether there is a value to recall."""
        return name in self._requests

    def recall(self, name: str, request: int, uniform: float) -> JsonValue:
        """The value for this request; ``uniform`` in [0, 1) is its draw. KeyError where nothing is remembered."""
        drawn = PRIMING + int(uniform * (request - PRIMING))
        at = bisect_right(self._requests[name], drawn) - 1
        return self._values[name][max(at, 0)]
