"""Print the answer of `dctbench choose`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from dctbench.analysis import Summary
from dctbench.analysis.decision import Worth
from dctbench.app.choose import ChooseOutcome
from dctbench.app.requests import ChooseRequest
from dctbench.cli.tables.records import print_records
from dctbench.cli.terminal.files import print_document
from dctbench.cli.terminal.wrap import print_sentences
from dctbench.compare.check_settings import in_turns
from dctbench.exporters.json_document import dumps
from dctbench.runs.lookup import RecordedRun
from dctbench.wording import recommendation
from dctbench.wording.accuracy import NOT_MEASURED, missed_words
from dctbench.wording.decision import MEASURE_ACCURACY, accuracy_cell
from dctbench.wording.labels import Labels
from dctbench.wording.markdown import escape
from dctbench.wording.summary import coverage, stability


def print_choice(outcome: ChooseOutcome, request: ChooseRequest, output_format: str) -> None:
    """Print which method to ship, its costs and the results behind it, in the requested format."""
    found, answers = outcome.recorded, outcome.answers
    labels = Labels(s.case for s in outcome.summaries)
    if output_format == "json":
        print_document(
            dumps(
                {
                    "run": found.run.id,
                    "answers": [_entry(outcome, number, request, labels) for number in range(len(answers))],
                }
            )
        )
        return
    if output_format == "csv":
        print_records(
            [record for number in range(len(answers)) for record in _records(outcome, number, request)], "csv"
        )
        return
    basis = _basis(found, outcome.summaries, outcome.planned)
    for number, (ranking, choice) in enumerate(answers):
        verdict = recommendation.verdict(ranking, choice, request.budgets, labels, request.floors)
        remarks = _remarks(outcome, number, request)
        remarks = [*remarks, basis] if number == len(answers) - 1 else remarks
        if output_format == "md":
            lines = (escape(verdict), "", *(f"- {escape(remark)}" for remark in remarks))
            print_document("".join(f"{line}\n" for line in lines))
        else:
            print_sentences([verdict])
            print_sentences(remarks, "  ")


def _basis(found: RecordedRun, here: Sequence[Summary], planned: int) -> str:
    """Return which run the answer is based on, how many of the planned cases it has, and how precise they are."""
    label = f" ({found.run.label})" if found.run.label else ""
    run = f"run {found.run.short_id}{label} of {found.run.started_at[:10]}"
    in_turn = "; in turns with another process, where a method may take longer than by itself"
    return f"rests on {run}: {coverage(here, planned)}; {stability(here)}{in_turn if in_turns(found.run) else ''}"


def _remarks(outcome: ChooseOutcome, number: int, request: ChooseRequest) -> list[str]:
    """What the answer leaves out, and what is known of the accuracy of the methods that it names or excludes."""
    ranking, choice = outcome.answers[number]
    lines = recommendation.remarks(ranking, choice, request.budgets)
    missed = outcome.missed[number]
    lines += [missed_words(s.case.name, missed[s.case]) for s in ranking.ranked if s.case in missed]
    for summary in choice.leaders:
        if outcome.accuracies.worth(summary) is not Worth.EXACT:
            known = accuracy_cell(summary, outcome.accuracies)
            if known == NOT_MEASURED:
                lines.append(f"accuracy of {summary.case.name} not measured: {MEASURE_ACCURACY} measures it")
            else:
                lines.append(f"accuracy of {summary.case.name}: {known}")
    return lines


def _records(outcome: ChooseOutcome, number: int, request: ChooseRequest) -> list[dict[str, Any]]:
    ranking, choice = outcome.answers[number]
    verdicts = {s.case: "within" for s in choice.within} | {s.case: "leader" for s in choice.leaders}
    verdicts |= {s.case: "over" for s, _ in choice.over} | {s.case: "not measured" for s, _ in choice.unmeasured}
    verdicts |= dict.fromkeys(outcome.missed[number], "accuracy")
    return [
        {
            "verdict": verdicts[s.case],
            "case_id": s.case.id,
            "case": s.case.to_json(),
            "latency": s.latency.value if s.latency else None,
            "p99_high": tail.high if (tail := s.tail(request.budgets.confidence)) else None,
            "memory": s.memory,
            "error_means": s.error_means.value,
            "error.smooth": s.values.get("error.smooth"),
            "error.noise": s.values.get("error.noise"),
            "error.input": s.values.get("error.input"),
            "accuracy": {
                str(results.task): one.score.mean
                for results, one in outcome.accuracies.on_each_task(s.case)
                if one is not None and one.score.mean is not None
            },
        }
        for s in ranking.ranked
    ]


def _entry(outcome: ChooseOutcome, number: int, request: ChooseRequest, labels: Labels) -> dict[str, Any]:
    ranking, choice = outcome.answers[number]
    return {
        "sentence": recommendation.verdict(ranking, choice, request.budgets, labels, request.floors),
        "remarks": _remarks(outcome, number, request),
        "budgets": request.budgets.given,
        "min_accuracy": [asdict(floor) for floor in request.floors],
        "methods": _records(outcome, number, request),
    }
