"""Typed reading of environment variables, used by the settings of every process of the reference service.

The stack passes time-outs, pools, limits and addresses as environment. A variable that is missing or
malformed ends the process at its start with one sentence, instead of failing a request later.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar
from urllib.parse import urlsplit

Parsed = TypeVar("Parsed")


class SettingError(ValueError):
    """A variable that is missing or malformed: its name, what was found and what was expected."""


class Environment:
    """Reads variables by name. Every method raises `SettingError`; a default of None means required."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def has(self, name: str) -> bool:
        """Whether the variable is there and not empty."""
        return bool(self._values.get(name))

    def text(self, name: str, default: str | None = None) -> str:
        return self.parse(name, str, "a text", default)

    def whole(self, name: str, default: int | None = None, *, at_least: int = 0) -> int:
        def read(found: str) -> int:
            value = int(found)
            if value < at_least:
                raise ValueError
            return value

        return self.parse(name, read, f"a whole number of at least {at_least}", default)

    def optional_whole(self, name: str, *, at_least: int = 0) -> int | None:
        return self.whole(name, at_least=at_least) if self.has(name) else None

    def milliseconds_as_s(self, name: str, default_ms: float | None = None, *, zero: bool = False) -> float:
        """A duration given in milliseconds, returned in seconds; 0 only where `zero` allows it."""

        def read(found: str) -> float:
            value = float(found)
            if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
                raise ValueError
            return value

        expected = "a number of milliseconds, 0 or more" if zero else "a number of milliseconds above 0"
        return self.parse(name, read, expected, default_ms) / 1000

    def url(self, name: str, *schemes: str, secret: bool = False) -> str:
        def read(found: str) -> str:
            parts = urlsplit(found)
            if parts.scheme not in schemes or not parts.hostname or parts.port == 0:
                raise ValueError
            return found

        return self.parse(name, read, f"an address such as {schemes[0]}://host:port", None, secret=secret)

    def parse(
        self,
        name: str,
        read: Callable[[str], Parsed],
        expected: str,
        default: Parsed | None,
        *,
        secret: bool = False,
    ) -> Parsed:
        """The variable as `read` understands it; `read` raises ValueError for what is not `expected`.

        What was found of a `secret` is not repeated in the error.
        """
        found = self._values.get(name)
        if not found:
            if default is not None:
                return default
            raise SettingError(f"{name} is missing: expected {expected}.")
        try:
            return read(found)
        except ValueError as error:
            if secret:
                raise SettingError(f"{name} is not what it should be: expected {expected}.") from None
            detail = f" ({error})" if isinstance(error, SettingError) else ""
            raise SettingError(f"{name} is {found!r}: expected {expected}{detail}.") from None


def exit_on(error: SettingError) -> NoReturn:
    """Say what is wrong on standard error and end the process with code 2 (bad input)."""
    print(error, file=sys.stderr)
    raise SystemExit(2)
