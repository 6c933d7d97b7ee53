"""JUnit XML, which every CI server shows: one test case per case, of a comparison or of a stored run.

There is no standard; this uses what GitHub's reporters, GitLab and Jenkins all read: testsuites > testsuite >
testcase, at most one of failure, error and skipped in each, times in seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from dctbench.analysis import Summary
from dctbench.compare import ComparisonOutcome
from dctbench.compare.judgement import LATENCY
from dctbench.exporters.json_document import metric_values
from dctbench.exporters.series_name import series_name
from dctbench.model import FAILED, REGRESSIONS, UNDECIDED, Case, Run, Verdict, VerdictKind
from dctbench.text.sanitize import sanitize_text
from dctbench.wording import verdict_sentences
from dctbench.wording.cells import failure_words
from dctbench.wording.labels import Labels
from dctbench.wording.verdict_cells import labels_of, opening

MARK = re.compile(rb'\A<\?xml [^>]*\?>\n<testsuites name="dctbench (?:check|run)"')
"""How a file of this module begins."""
_FIGURES = ("base", "head", "effect", "low", "high", "raw", "tolerance")
_SKIPPED = UNDECIDED | {VerdictKind.NEW}


@dataclass(frozen=True, slots=True)
class _Test:
    """One test case.

    Attributes:
        case: None for the check as a whole.
        seconds: its latency.
        state: failure, error or skipped; empty when it passed.
    """

    case: Case | None
    seconds: float | None
    state: str = ""
    kind: str = ""
    lines: Sequence[str] = ()
    properties: Mapping[str, object] = field(default_factory=dict)


def junit_xml(outcome: ComparisonOutcome) -> str:
    """Return a comparison: what makes a check exit 1 is a failure; undecided and new cases are skipped, with a reason.

    When the check does not pass and no test case shows it, one more test case does.
    """
    by_case: dict[Case, list[Verdict]] = {}
    for verdict in outcome.judgement.verdicts:
        by_case.setdefault(verdict.case, []).append(verdict)
    about = {
        "summary": opening(outcome),
        **{f"warning.{number}": text for number, text in enumerate(verdict_sentences.warnings(outcome), 1)},
        "exit_code": outcome.exit_code,
        "base": verdict_sentences.run_words(outcome.base),
        **{f"base.{number}": verdict_sentences.run_words(run) for number, run in enumerate(outcome.further, 2)},
        "head": verdict_sentences.run_words(outcome.head),
        **{f"drift.{name}": change for name, change in outcome.judgement.drift.items()},
        **{f"differs.{one.fact}": f"{one.base} -> {one.head}" for one in outcome.differences},
    }
    kinds, labels = outcome.judgement.by_case(), labels_of(outcome)
    fails = REGRESSIONS
    if outcome.exit_code == 1 and not fails & set(kinds.values()):  # --inconclusive fail
        fails = frozenset({VerdictKind.INCONCLUSIVE})
    tests = [_judged(case, kinds[case], fails, found, labels) for case, found in by_case.items()]
    if outcome.exit_code and not any(test.state for test in tests):
        state = "failure" if outcome.exit_code == 1 else "error"
        tests.append(_Test(None, None, state, "gate", [verdict_sentences.closing(outcome)]))
    return _document("dctbench check", outcome.head, about, tests)


def run_junit_xml(run: Run, summaries: Sequence[Summary], plan: Iterable[Case]) -> str:
    """Return a stored run: errors and timeouts are errors; cases out of memory, unsupported or not run are skipped."""
    measured = {summary.case for summary in summaries}
    tests = [_measured(summary) for summary in summaries]
    tests += [_Test(case, None, "skipped", "missing", ["not run yet"]) for case in plan if case not in measured]
    return _document("dctbench run", run, {"suite": run.suite, "dctbench": run.dctbench_version}, tests)


def _judged(
    case: Case, kind: VerdictKind, fails: frozenset[VerdictKind], verdicts: Sequence[Verdict], labels: Labels
) -> _Test:
    """Return one case by its gravest verdict; the lines are those of all verdicts that are as grave."""
    state = "failure" if kind in fails else "skipped" if kind in _SKIPPED else ""
    counted = fails if state == "failure" else _SKIPPED
    return _Test(
        case=case,
        seconds=next((v.head for v in verdicts if v.metric == LATENCY), None),
        state=state,
        kind=kind.value if state else "",
        lines=[verdict_sentences.sentence(verdict, labels) for verdict in verdicts if verdict.kind in counted]
        if state
        else [],
        properties=_figures(verdicts),
    )


def _figures(verdicts: Sequence[Verdict]) -> dict[str, object]:
    """Return every figure of every verdict in SI units: `latency.effect`, `memory.tensor.verdict`."""
    found: dict[str, object] = {}
    for verdict in verdicts:
        found[f"{verdict.metric}.verdict"] = verdict.kind.value
        for name in _FIGURES:
            value = getattr(verdict, name)
            if value is not None:
                found[f"{verdict.metric}.{name}"] = value
    return found


def _measured(summary: Summary) -> _Test:
    seconds = summary.latency.value if summary.latency else None
    values = {metric: figure["value"] for metric, figure in metric_values(summary).items()}
    if summary.status == "ok":
        return _Test(summary.case, seconds, properties=values)
    state = "error" if summary.status in FAILED else "skipped"
    return _Test(summary.case, seconds, state, summary.status, [failure_words(summary)], values)


def _document(name: str, run: Run, about: Mapping[str, object], tests: Sequence[_Test]) -> str:
    states = [test.state for test in tests]
    counts = {
        "tests": str(len(tests)),
        "failures": str(states.count("failure")),
        "errors": str(states.count("error")),
        "skipped": str(states.count("skipped")),
        "time": _seconds(sum(test.seconds or 0.0 for test in tests)),
    }
    root = ET.Element("testsuites", {"name": name, **counts})
    timestamp = run.started_at[:19]
    suite = ET.SubElement(root, "testsuite", {"name": name, **counts, "timestamp": timestamp})
    _add_properties(suite, {"run": run.id, "label": run.label or "", **about})
    for test in tests:
        place = ("dctbench", "gate")
        if test.case is not None:
            place = f"dctbench.{test.case.implementation}", series_name(test.case)
        attributes = {"classname": place[0], "name": place[1], "time": _seconds(test.seconds or 0.0)}
        element = ET.SubElement(suite, "testcase", {key: _text(value) for key, value in attributes.items()})
        _add_properties(element, test.properties)
        if test.state:
            message, *more = [_text(line) for line in test.lines]
            message += f" (and {len(more)} more)" if more else ""
            ended = ET.SubElement(element, test.state, {"message": message, "type": test.kind})
            ended.text = "\n".join(_text(line) for line in test.lines)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _add_properties(element: ET.Element, values: Mapping[str, object]) -> None:
    if values:
        properties = ET.SubElement(element, "properties")
        for name, value in values.items():
            ET.SubElement(properties, "property", {"name": _text(name), "value": _text(value)})


def _seconds(value: float) -> str:
    return f"{value:.9f}"


def _text(value: object) -> str:
    """Return the text without the characters that XML cannot represent."""
    return sanitize_text(str(value)).replace("\t", " ")
