"""The XML as a CI system reads it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from tests.harness import worlds
from windtunnel.harness.report.junit import junit
from windtunnel.harness.report.pair import Pair

ALLOWED = {
    "testsuites": ({"name", "tests", "failures", "errors", "time"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name", "classname", "time"}, {"failure", "error", "skipped"}),
    "failure": ({"message", "type"}, set()),
    "error": ({"message", "type"}, set()),
    "skipped": ({"message", "type"}, set()),
    "system-out": (set(), set()),
}
"""Attributes and children by element, after the schema of Jenkins's xunit plugin."""


def read(*pairs: Pair) -> ET.Element:
    root = ET.fromstring(junit(pairs))
    for element in root.iter():
        attributes, children = ALLOWED[element.tag]
        assert set(element.attrib) <= attributes
        assert {child.tag for child in element} <= children
    return root


def all_four() -> Pair:
    objectives = {
        "error_ratio": {"max": 0},
        "latency_ms_max": {"max": 99},
        "latency_ms_p99": {"max": 100},
        "acknowledged_writes_lost": {"max": 0},
    }
    return Pair.of(worlds.run(worlds.scenario({"during": objectives})))


def test_each_verdict_has_its_element() -> None:
    root = read(all_four())
    (suite,) = root
    cases = suite.findall("testcase")
    assert [[child.tag for child in case] for case in cases] == [[], ["failure"], ["error"], ["skipped"]]
    assert cases[1].attrib["name"] == "during: latency max <= 99 ms"
    assert cases[1].attrib["classname"] == "windtunnel.toy_question.measured"
    assert cases[1][0].attrib["message"] == (
        "during: latency max <= 99 ms, found 100 ms: fail: 400 samples; 0 of 400 requests failed"
    )
    assert "4 of 400 samples beyond the quantile" in cases[2][0].attrib["message"]
    assert cases[3][0].attrib["type"] == "not-observed"


def test_the_counts_are_those_of_the_cases() -> None:
    root = read(all_four(), Pair.of(worlds.lively(), worlds.lively("forecast")))
    assert [suite.attrib["name"] for suite in root] == [
        "toy_question measured",
        "toy_question measured",
        "toy_question forecast",
    ]
    for suite in root:
        for attribute, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.attrib[attribute]) == len(suite.findall(f"testcase/{element}"))
        assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))
    assert int(root.attrib["tests"]) == len(root.findall(".//testcase"))
    assert int(root.attrib["errors"]) == len(root.findall(".//error"))


def test_a_run_that_cannot_be_trusted_has_errors_and_says_why() -> None:
    (suite,) = read(Pair.of(worlds.lively(injections=[])))
    assert suite.attrib["errors"] == suite.attrib["tests"] == "6"
    assert "fault outage app->db was not carried out" in (suite.findtext("system-out") or "")
    assert suite.attrib["timestamp"] == "2026-03-01T12:00:00"


def test_text_that_xml_cannot_hold_does_not_break_it() -> None:
    question = worlds.scenario(question="<&\x1b[31m\x00 \ud800?")
    run = worlds.run(question, checks=[{"name": "load", "ok": False, "detail": "\x08 & <b>"}])
    (suite,) = read(Pair.of(run))
    assert "<&?[31m? ??" in (suite.findtext("system-out") or "")
