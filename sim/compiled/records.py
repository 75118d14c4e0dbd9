"""The memory of the compiled engine: one array of records per kind of thing, all in a World. Used by this package.

Frames are strands (see ../ENGINES.md): their number grows with what is under way, not with the length of the run.
Indexes of -1 mean nobody. Fields that begin with ``c_`` are a frame's state as a caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

# Kinds of frames
CLIENT, EXCHANGE, BRANCH, MESSAGE, BURN = 0, 1, 2, 3, 4

# What a strand goes on from, or what its frame waits for
(
    NEXT,
    FREE,
    START,
    POOLED,
    ARRIVING,
    SERVING,
    WAITING,
    PROGRAM,
    PROGRAM_ENDS,
    SERVED,
    LEG_BACK,
    LINK_BACK,
    ANSWERED,
    FOLLOWING,
    REQUEST_ENDS,
    INVOKING,
    BACKING_OFF,
    GRANTED,
    LINE,
    IN_FLIGHT,
    FORKED,
    LOST,
    LEG_OUT,
    LINK_OUT,
    COMPUTING,
    WORKED,
    REFUSED,
    TURNING,
    PREFILL,
    DECODE,
    BATCH_PREFILL,
    BATCH_DECODE,
    CALLING,
    LANDED,
    JOINED,
    BURNING,
    POOL,
    LINGERING,
    FIRST_LATE,
    FIRST_LINK,
) = range(40)
"""NEXT: nobody goes on; whatever is due next does."""
VISITS, LAST_OF_VISITS = LEG_OUT, REFUSED
"""What visits.go_on goes on from."""
TOKENS, LAST_OF_TOKENS = TURNING, BATCH_DECODE
"""What decoding.go_on goes on from."""
APART = CALLING
"""From here on: what is seldom."""
OUTCOME_BITS = 6
OUTCOME = 1 << OUTCOME_BITS
"""Above a phase, where both are said in one number."""

# Ranks of timers, shifted into the highest byte of a key
FAULT, DEPARTURE, LIMIT, BACKOFF, ARRIVAL, CONTROL, OBSERVATION = (rank << 56 for rank in range(1, 8))
NOBODY = 0
"""Request -1, attempt 0, in a key."""

# Outcomes, as in sim.model
OK, HIT, MISS, TIMEOUT, ERROR, REJECTED, OPEN = range(7)
OUTCOMES = 7

# Operations of programs
END, CALL, CHOOSE, FORK, LOOP, AGAIN, ENQUEUE, JUMP, LAND = range(9)
ON_NEXT, ON_END = -1, -2
"""Where to go after an outcome without a program of its own: on, or to the end with that outcome."""

# What a source's timer is for
ALARM, THREAD, BATCH, AUTOSCALE, OBSERVE, FAULTS, READY, USER = range(8)

# Flags of a frame
ZOMBIE, ENDED, SHED, HAS_SLOT, HAS_CONNECTION, IN_FLIGHT_COUNTED, PASSED_ON, RESUMED, WARMED, BATCHED, CLOSED, HELD = (
    1 << n for n in range(12)
)

# Why the kernel comes back
DONE, MORE_ARRIVALS, GROW, DRAIN, TICK, SCALE = range(6)


def record(*fields: tuple[Any, ...], pieces: Mapping[str, tuple[str, str]] | None = None) -> np.dtype[Any]:
    """A record's type, laid out as C would. ``pieces``: fields more, each of which is all from one field to another,
    and copied as a whole."""
    laid_out = np.dtype(list(fields), align=True)
    assert laid_out.fields
    kinds = {name: (kind, offset) for name, (kind, offset, *_) in laid_out.fields.items()}
    for piece, (first, last) in (pieces or {}).items():
        begin, end = kinds[first][1], kinds[last][1] + kinds[last][0].itemsize
        kinds[piece] = (np.dtype(f"V{end - begin}"), begin)
    return np.dtype(
        {
            "names": list(kinds),
            "formats": [kind for kind, _ in kinds.values()],
            "offsets": [offset for _, offset in kinds.values()],
            "itemsize": laid_out.itemsize,
        }
    )


def _many(kind: str, names: str) -> list[tuple[str, str]]:
    return [(name, kind) for name in names.split()]


FRAME = record(
    # handed on from caller to callee
    *_many("u8", "salt"),
    *_many("i8", "request"),
    *_many("i4", "root prio tenant prompt given_in given_out window flow"),
    # an exchange
    *_many("u8", "origin"),
    *_many("i8", "rkey"),
    # empty at birth
    *_many("f8", "arrived heard left decoded wait retry_after"),
    *_many("i4", "q_next q_prev flight cut owed f_first tokens listed"),
    # an exchange
    *_many("i4", "kind phase stamp marks"),
    *_many("i4", "parent within hop wire lane caller_rep callee inst"),
    *_many("i8", "attempt limit_order"),
    *_many("f8", "began limit deadline admitted due"),
    *_many("i4", "outcome pc lim_prev lim_next up_prev up_next"),
    *_many("f8", "target half spread"),
    *_many("i8", "order"),
    *_many("i4", "thread first_phase"),
    # as a caller
    *_many("i4", "c_hop c_last"),
    *_many("f8", "c_deadline"),
    # anew with each call
    *_many("f8", "c_retry_after c_heard"),
    *_many("i8", "c_attempt"),
    *_many("i4", "c_tries c_won c_passed c_under_way c_tokens c_child0 c_child1 c_got"),
    # seldom
    *_many("f8", "c_prev intended written"),
    *_many("i4", "place epoch message slice section"),
    *_many("i4", "f_need f_good f_left f_got f_decided"),
    pieces={
        "handed_on": ("salt", "flow"),
        "at_birth": ("arrived", "listed"),
        "at_call": ("c_retry_after", "c_got"),
    },
)
assert FRAME.itemsize % 64 == 0, "a frame begins where a line of the cache does"
"""What is used together lies together: a strand that only waits and works needs four lines of the cache."""

HOP = record(
    *_many("i4", "wire caller callee role round_trips request_bytes response_bytes streams reads"),
    *_many("i4", "link service first_token token output input program llm free_service after"),
    *_many("i8", "place"),
)
"""link .. input: rows of the distributions, -1 none. place: the hop's part of an address."""

STATION = record(
    *_many("i4", "first replicas active host slots queue_limit discipline shed traced single warmth warmths thread"),
    *_many("i4", "cache batch llm queue consumes lag reign reign_count crash_above index"),
    *_many(
        "f8", "cpu turn shed_a shed_b shed_minimum shed_maximum shed_backoff rate burst ttl hit_ratio crash_restart"
    ),
    *_many("i4", "per_tenant reset_on_hit capacity warm singleflight rpm tpm receives limit workers buckets used"),
    *_many("f8", "slowdown prefill prefix_ratio prefix_share visibility limits_at"),
    *_many("i8", "tokens_in tokens_out dead_letters evictions stale"),
    *_many("i4", "m_first m_last m_waiting idle_first idle_last slow_count slow"),
)

INSTANCE = record(
    *_many("i4", "station replica busy limit waiting head tail in_flight working dropping count"),
    *_many("f8", "adaptive last_left above drop_next down_until crash_from"),
    *_many("i4", "cache_at cache_size recent oldest thread batch"),
    *_many("f8", "flight_sum line_sum sum_at"),
)

BATCH_RECORD = record(*_many("i4", "head tail members"), *_many("f8", "virtual at"))
"""Of an instance: who is in its batch, or who holds a place that a more urgent one may take."""

WIRE = record(
    *_many("i4", "caller callee retries jitter retry_mask survives_cancel survives_timeout to_database"),
    *_many("i4", "balance pool first_lane callees lim_head lim_tail up_head up_tail alarm hedges breaker_failures"),
    *_many("i4", "breaker_calls probes ejection propagates counts active_faults sick sicks checks"),
    *_many("f8", "timeout deadline backoff max_backoff budget_ratio budget_burst breaker_ratio open_for hedge"),
    *_many("f8", "eject_for health pool_timeout"),
    *_many("i8", "attempts calls again"),
    *_many("i4", "ring"),
)

LANE = record(
    *_many("i8", "turn epoch"),
    *_many("i4", "busy head tail waiting state failures probing good ring_at ring_n ring_bad first_pair flights"),
    *_many("f8", "budget opened"),
)
"""A wire as one replica of its caller has it."""

PAIR = record(("under_way", "i4"), ("failures", "i4"), ("until", "f8"))
"""A lane and one replica of the callee."""

SOURCE = record(
    *_many("i4", "kind a k head tail next prev owner host free"),
    *_many("f8", "virtual at rate"),
)
"""Whoever has timers besides the frames; of a thread: its jobs, and its place in the host's list."""

HOST = record(("cores", "f8"), ("rate", "f8"), ("first", "i4"), ("last", "i4"), ("n", "i4"))

DISTRIBUTION = record(("kind", "i4"), ("n", "i4"), ("start", "i4"), ("a", "f8"), ("b", "f8"))

OPERATION = record(*_many("i4", "op a b c next"))

ENTRY = record(("t", "f8"), ("id", "i8"))
"""A timer in the heap."""

RANK = record(("key", "i8"), ("order", "i8"))
"""Which timer comes first of those that are due at the same time."""

CONSEQUENCE = record(("frame", "i4"), ("stamp", "i4"), ("cancel", "i4"), ("phase", "i4"))

SAMPLE = record(
    ("request", "i8"),
    *_many("f8", "intended done heard"),
    *_many("i4", "flow outcome tokens"),
)

SPAN = record(
    ("request", "i8"),
    *_many("f8", "start duration wait first_token"),
    *_many("i4", "server hop replica attempt outcome tokens"),
)

LOOPING = record(("salt", "u8"), ("i", "i4"), ("n", "i4"), ("last", "i4"))

MESSAGE_RECORD = record(
    ("salt", "u8"),
    ("request", "i8"),
    *_many("i4", "root program receives done queue next waits prio tenant prompt copies given_in given_out"),
)

OWED = record(("work", "f8"), ("host", "i4"), ("owner", "i4"), ("source", "i4"), ("next", "i4"))

FLIGHT = record(("key", "i8"), *_many("i4", "lane head tail next outer"))

CUT = record(("due", "f8"), ("window", "i4"), ("next", "i4"))

WINDOW = record(
    *_many("f8", "begin end a b c"),
    *_many("i4", "wire caller callee kind downstream index active kills closes"),
)
"""A fault on a wire, its numbers in a, b, c; see wires.py."""

HAPPENING = record(("t", "f8"), ("window", "i4"), ("heals", "i4"))

SPELL = record(("begin", "f8"), ("end", "f8"), ("factor", "f8"), ("replica", "i4"), ("of", "i4"))
"""A while in which a replica is left out, or slow; or a reign."""

BUCKET = record(("tokens", "f8"), ("at", "f8"))

STORED = record(("until", "f8"), ("prev", "i4"), ("next", "i4"), ("there", "i4"))

PLACE = record(*_many("i4", "station replica next idle message"))

GLOBAL = record(
    ("now", "f8"),
    ("root", "u8"),
    *_many("i8", "order hole heap sources fifo_at fifo_n free live threads_free next_request chunk chunk_n"),
    *_many("i8", "samples spans owed_free flights_free cuts_free messages_free"),
    *_many("i8", "record_samples record_spans sketches tracks closed joins users reason source beside besides loops"),
    *_many("i8", "prompts happening happenings"),
    *_many("i8", "think tenants ring room spare easy samples_room spans_room flows links watch owners machines"),
    *_many("i8", "window section slice windows subjects window_starts window_claims buckets"),
    *_many("f8", "duration mark_at first_claim good_ms"),
)

ENTERING = record(*_many("i8", "operation priority"))

TALLY = record(("firsts", "i8"), *_many("f8", "total low high waits"))
"""Of a subject in a window: how many exchanges were their call's first; the sum, the least and the most of its times in
ms; the sum of its waits in ms."""

SLICE = record(*_many("i8", "n ok good"))
"""Of the requests that were due in a short while: how many, successes, and those of them that were quick enough."""

INTEGER, NUMBER = np.dtype("i8"), np.dtype("f8")
COUNT = np.dtype("u4")
"""Half as wide, so that twice as many buckets lie in the processor's cache; tally.Totals takes them over in time."""

KINDS: dict[str, np.dtype[Any]] = {
    "g": GLOBAL,
    "frames": FRAME,
    "blank": FRAME,  # a single one, whose pieces are what they begin with
    "positions": np.dtype("i4"),  # of every timer's identity in the heap; -1: not set
    "heap": ENTRY,
    "ranks": RANK,  # of every timer's identity
    "fifo": CONSEQUENCE,
    "hops": HOP,
    "stations": STATION,
    "instances": INSTANCE,
    "batches": BATCH_RECORD,  # by instance
    "wires": WIRE,
    "lanes": LANE,
    "pairs": PAIR,
    "sources": SOURCE,
    "hosts": HOST,
    "distributions": DISTRIBUTION,
    "numbers": NUMBER,  # that rows of other tables point into
    "operations": OPERATION,
    "targets": INTEGER,  # that operations point into
    "loops": LOOPING,
    "samples": SAMPLE,
    "spans": SPAN,
    "counts": COUNT,  # sketches: [window, subject, bucket]
    "tallies": TALLY,  # [window, subject]
    "ends": INTEGER,  # how many ended so: [window, subject, outcome]
    "sections": COUNT,  # sketches of successes: [window, section, bucket]
    "slices": SLICE,
    "used": NUMBER,  # core seconds by owner
    "looked": NUMBER,  # the same up to the last look
    "messages": MESSAGE_RECORD,
    "owed": OWED,
    "flights": FLIGHT,
    "cuts": CUT,
    "windows": WINDOW,
    "happenings": HAPPENING,
    "spells": SPELL,
    "buckets": BUCKET,
    "stored": STORED,
    "places": PLACE,
    "ring": INTEGER,
    "at_s": NUMBER,  # of arrivals, one after the other
    "flow": INTEGER,
    "prompt": INTEGER,
    "tenant": INTEGER,
    "given_in": INTEGER,
    "given_out": INTEGER,
    "ends_all": INTEGER,  # how many requests have ended so: [outcome]
    "entries": ENTERING,  # by flow: the client's call
}
"""The arrays of a World."""
