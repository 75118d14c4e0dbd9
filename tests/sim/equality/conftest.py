"""Says at the end of a test run how often each feature was drawn, and how often what was seen to happen."""

from __future__ import annotations

from collections import Counter

import pytest

PROPERTIES = ("drawn", "seen")
"""What the tests record: how many drawings had each feature, and in how many each thing happened."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The counts of all tests of this run together, whichever process they ran in."""
    reports = (report for reports in terminalreporter.stats.values() for report in reports)
    calls = (report for report in reports if getattr(report, "when", "") == "call")  # the teardown tells it again
    told = [pair for report in calls for pair in report.user_properties]
    drawings = sum(value for name, value in told if name == "drawings")
    for name in PROPERTIES:
        counts: Counter[str] = Counter()
        for _, value in (pair for pair in told if pair[0] == name):
            counts.update(value)
        if counts:
            terminalreporter.section(f"features {name} in {drawings} drawings, in percent")
            shares = (f"{feature} {100 * n / drawings:.1f}" for feature, n in sorted(counts.items()))
            terminalreporter.write_line(", ".join(shares))
