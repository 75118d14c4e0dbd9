"""The words that seeded answers are made of: short ones, each standing for one token."""

from __future__ import annotations

WORDS = (
    *("air", "flow", "lift", "drag", "wing", "vane", "gust", "calm", "rise", "fall", "speed", "scale", "model"),
    *("tunnel", "test", "load", "wave", "edge", "core", "link", "pool", "queue", "slot", "token", "cache", "store"),
    *("read", "write", "open", "close", "start", "stop", "warm", "cold", "fast", "slow", "long", "short", "first"),
    *("last", "next", "one", "two", "many", "few", "more", "less", "most", "least", "same", "other", "true"),
    *("clear", "plain", "even", "still", "near", "far", "high", "low", "left", "right", "and", "or", "but", "so"),
    *("then", "when", "where", "while", "with", "from", "into", "over", "under", "about", "after", "before"),
)
