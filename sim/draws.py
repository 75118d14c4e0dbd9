"""Randomness with an address: who draws for what decides the value, never the order of the draws. Used by the engine.

Two variants of a model then share their randomness wherever they do the same thing (common random numbers), and
two engines can be compared request by request.

Source of the mixing function: SplitMix64, G. L. Steele, D. Lea, C. H. Flood, "Fast Splittable Pseudorandom Number
Generators", OOPSLA 2014, with the constants of D. Stafford's variant 13.
"""

from __future__ import annotations

from enum import IntEnum

_WORD = 0xFFFF_FFFF_FFFF_FFFF


class Purpose(IntEnum):
    """What a value is drawn for. The numbers are part of the address: append, never renumber."""

    LINK = 0
    SERVICE = 1
    FIRST_TOKEN = 2
    TOKEN = 3
    OUTPUT_TOKENS = 4
    BACKOFF = 5
    FAULT = 6
    TURN = 7
    HIT = 8
    BALANCE = 9
    CHOICE = 10
    TIMES = 11
    INPUT_TOKENS = 12
    PREFIX = 13
    THINK = 14
    FLOW = 15
    PROMPT = 16
    TENANT = 17
    LAG = 18
    OUTAGE = 19


def mix(word: int) -> int:
    """One step of SplitMix64 from state ``word``: 64 bits in, 64 well-mixed bits out, one to one."""
    word = (word + 0x9E37_79B9_7F4A_7C15) & _WORD
    word = ((word ^ (word >> 30)) * 0xBF58_476D_1CE4_E5B9) & _WORD
    word = ((word ^ (word >> 27)) * 0x94D0_49BB_1331_11EB) & _WORD
    return word ^ (word >> 31)


class Draws:
    """All the randomness of one simulation."""

    def __init__(self, seed: int) -> None:
        """``seed``: the scenario's, below 2^63."""
        self._root = mix(seed)

    def uniform(self, request: int, hop: int, attempt: int, purpose: Purpose, index: int = 0) -> float:
        """A number above 0 and below 1, for this address alone.

        ``hop`` is the call's index in the compiled model, ``index`` tells several draws of one purpose apart.
        Limits: hop, index < 2^24; attempt < 2^8.
        """
        return at(self.base(request), hop, attempt, purpose, index)

    def base(self, request: int) -> int:
        """The part of an address that is the request's."""
        return mix(self._root ^ request)


def at(base: int, hop: int, attempt: int, purpose: Purpose, index: int = 0) -> float:
    """A number above 0 and below 1 for the rest of an address that begins with ``base``. Limits as above."""
    place = hop << 40 | attempt << 32 | purpose << 24 | index
    # 52 bits and a half: the largest result, 1 - 2^-53, is still below 1 as a float.
    return ((mix(base ^ place) >> 12) + 0.5) * 2.0**-52
