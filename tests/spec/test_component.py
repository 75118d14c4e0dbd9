"""The parts of a service: settings of one kind that contradict each other."""

from __future__ import annotations

import pytest

from windtunnel.spec.architecture import Architecture

from .sentences import sentences
from .worlds import ARCHITECTURE


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "    standbys: 2\n",
            "",
            "components.db.failover: found it without standbys, expected standbys of at least 1",
        ),
        (
            "hit_ratio: 0.3",
            "hit_ratio: 0.3, max_entries: 4",
            "components.edge.hit_ratio: found it beside max_entries, expected one of the two",
        ),
        ("hit_ratio: 0.3", "hit_ratio: 1.3", "components.edge.hit_ratio: found 1.3, expected a number of at most 1"),
        ("ttl_resets_on: hit", "ttl_resets_on: hot", "did you mean 'hit'?"),
        ("start: warm", "start: hot", "components.cache.start: found 'hot', expected one of cold, warm"),
        ("lease_ttl_s: 3", "lease_ttl_s: 0", "components.db.failover.lease_ttl_s: found 0, expected a number above 0"),
        ("promotion_s: 2", "promotion_s: -2", "failover.promotion_s: found -2, expected a number of at least 0"),
        ("{kind: exponential, mean: 20}", "-5", "components.db.replication_lag_ms: found -5, expected a number of"),
        ("share: 0.8", "share: 80", "components.llm.prefix_cache.share: found 80, expected a number of at most 1"),
        ("tokens_per_minute: 90000", "tokens_per_minute: 0", "components.llm.tokens_per_minute: found 0, expected"),
        ("concurrency: 2}", "concurrency: 0}", "components.worker.consumes.concurrency: found 0, expected a number"),
        ("concurrency: 2}", "concurrency: 10001}", "components.worker.consumes.concurrency: found 10001, expected a"),
        ("max_receives: 2", "max_receives: 0", "components.jobs.max_receives: found 0, expected a number of at least"),
        ("max_receives: 2", "max_receives: 1001", "components.jobs.max_receives: found 1001, expected a number of"),
        ("visibility_timeout_s: 10", "visibility_s: 10", "did you mean 'visibility_timeout_s'?"),
        ("kind: queue", "kind: queu", "components.jobs.kind: found 'queu', expected one of gateway, service"),
        ("scale: 100, shape", "scale: 1e9, shape", "llm.input_tokens: found 1.66667e+09 tokens on average"),
        ("means: [20, 100]", "means: [20, 1e9]", "llm.output_tokens: found 2.5e+08 tokens on average"),
        ("slots: 8", "slots: 99999999999999", "components.llm.slots: found 99999999999999, expected a number of"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_place(old: str, new: str, sentence: str) -> None:
    (only,) = sentences(ARCHITECTURE, old, new, Architecture)
    assert sentence in only
