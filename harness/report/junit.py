"""Pairs as JUnit XML, which every CI system reads. Used by ``run --junit``.

One suite per run, one case per objective: failed is ``failure``, inconclusive ``error`` (nobody may take it for a
pass), not observed ``skipped``. Elements and attributes are those of the Jenkins schema (xunit-plugin, junit-10.xsd).
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from windtunnel.harness.report import wording
from windtunnel.harness.report.pair import Judged, Pair
from windtunnel.harness.report.whole_file import write_whole
from windtunnel.harness.verdict import Judgement, Verdict

ELEMENT = {Verdict.FAIL: "failure", Verdict.INCONCLUSIVE: "error", Verdict.NOT_OBSERVED: "skipped"}
NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")
"""What XML 1.0 cannot hold (https://www.w3.org/TR/xml/#charsets); an error's text may."""


def write_junit(pairs: Sequence[Pair], path: Path) -> Path:
    """Write the XML file and return its path: whole or not at all."""
    return write_whole(path, junit(pairs))


def junit(pairs: Sequence[Pair]) -> str:
    """The XML text, with its declaration."""
    root = ET.Element("testsuites", name="windtunnel")
    suites = [_suite(judged) for pair in pairs for judged in pair.runs]
    root.extend(suites)
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.attrib[count]) for suite in suites)))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(judged: Judged) -> ET.Element:
    record, judgements = judged.run.record, judged.ruling.judgements
    counts = {verdict: sum(one.verdict is verdict for one in judgements) for verdict in Verdict}
    suite = ET.Element(
        "testsuite",
        name=f"{record.scenario.name} {record.kind}",
        tests=str(len(judgements)),
        failures=str(counts[Verdict.FAIL]),
        errors=str(counts[Verdict.INCONCLUSIVE]),
        skipped=str(counts[Verdict.NOT_OBSERVED]),
        time=f"{record.scenario.windows.total_s:.3f}",
    )
    if record.created_at:
        suite.set("timestamp", record.created_at[:19])  # in UTC; the schemas know no zone
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("run", record.id),
        ("architecture", record.architecture.name),
        ("backend", record.backend),
        ("seed", str(record.scenario.seed)),
        ("version", record.version),
        ("replay", record.replay),
    ):
        ET.SubElement(properties, "property", name=name, value=_clean(value))
    for one in judgements:
        suite.append(_case(one, f"windtunnel.{record.scenario.name}.{record.kind}"))
    said = [record.scenario.question, *judged.ruling.reasons, f"replay: {record.replay}"]
    ET.SubElement(suite, "system-out").text = _clean("\n".join(said))
    return suite


def _case(one: Judgement, classname: str) -> ET.Element:
    name = f"{one.window}: {wording.title(one.metric)} {wording.bound(one.metric, one.bound)}"
    case = ET.Element("testcase", classname=classname, name=name, time="0")
    if one.verdict is Verdict.PASS:
        return case
    seen = f"{name}, found {wording.amount(one.metric, one.value)}: {one.verdict}"
    element = ET.SubElement(case, ELEMENT[one.verdict], message=_clean(f"{seen}: {one.reason}"))
    element.set("type", one.verdict.replace(" ", "-"))
    return case


def _clean(text: str) -> str:
    return NOT_IN_XML.sub("?", text)
