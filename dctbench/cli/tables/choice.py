"""Print the answer of `dctbench choose`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from dctbench.analysis import Summary
from dctbench.analysis.decision import Accuracies, Worth
from dctbench.analysis.in_model import metrics_of
from dctbench.analysis.model_choice import ModelChoice
from dctbench.app.choose import ChooseOutcome
from dctbench.app.requests import ChooseRequest
from dctbench.catalog import RECOVERED
from dctbench.cli.tables.records import print_records
from dctbench.cli.terminal.files import print_document
from dctbench.cli.terminal.wrap import print_sentences
from dctbench.compare.check_settings import in_turns
from dctbench.exporters.json_document import dumps
from dctbench.model import Case, Run
from dctbench.runs.lookup import RecordedRun
from dctbench.wording import model_choice, recommendation
from dctbench.wording.accuracy import NOT_MEASURED, lengths_note, missed_words, place_of
from dctbench.wording.decision import IN_FLOATING_POINT, accuracy_cell, how_to_measure
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
                    "trained_in": [run.id for run in outcome.trained_in],
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
    basis = [_basis(found, outcome.summaries, outcome.planned)]
    basis += [f"accuracy rests on {', '.join(map(_named, outcome.trained_in))}"] if outcome.trained_in else []
    basis += [] if (note := _lengths(outcome)) is None else [note]
    for number in range(len(answers)):
        verdict = _sentence(outcome, number, request, labels)
        remarks = _remarks(outcome, number, request, labels)
        remarks = [*remarks, *basis] if number == len(answers) - 1 else remarks
        if output_format == "md":
            lines = (escape(verdict), "", *(f"- {escape(remark)}" for remark in remarks))
            print_document("".join(f"{line}\n" for line in lines))
        else:
            print_sentences([verdict])
            print_sentences(remarks, "  ")


def _lengths(outcome: ChooseOutcome) -> str | None:
    """Say at which lengths accuracies were learned; None if that is the length of the question, or none is known."""
    known = outcome.accuracies
    learned = any(found for summary in outcome.summaries for _, found in known.on_each_task(summary))
    return lengths_note(known.telling, {one.case.seq_len for one in outcome.summaries}) if learned else None


def _named(run: Run) -> str:
    """`run 1234abcd (nightly) of 2026-01-02`."""
    label = f" ({run.label})" if run.label else ""
    return f"run {run.short_id}{label} of {run.started_at[:10]}"


def _basis(found: RecordedRun, here: Sequence[Summary], planned: int) -> str:
    """Return which run the answer is based on, how many of the planned cases it has, and how precise they are."""
    in_turn = "; in turns with another process, where a method may take longer than by itself"
    precise = f"{coverage(here, planned)}; {stability(here)}"
    return f"rests on {_named(found.run)}: {precise}{in_turn if in_turns(found.run) else ''}"


def _sentence(outcome: ChooseOutcome, number: int, request: ChooseRequest, labels: Labels) -> str:
    """The answer for one shape."""
    if outcome.in_model:
        return model_choice.verdict(outcome.in_model[number], request.budgets, labels)
    return recommendation.verdict(*outcome.answers[number], request.budgets, labels, request.floors)


def _remarks(outcome: ChooseOutcome, number: int, request: ChooseRequest, labels: Labels) -> list[str]:
    """What the answer leaves out, and what is known of the accuracy of the methods that it names or excludes."""
    if outcome.in_model:
        return model_choice.remarks(outcome.in_model[number], request.budgets, labels)
    ranking, choice = outcome.answers[number]
    lines = recommendation.remarks(ranking, choice, request.budgets)
    missed = outcome.missed[number]
    lines += [
        missed_words(s.case.name, missed[s.case], outcome.accuracies.tasks) for s in ranking.ranked if s.case in missed
    ]
    for summary in recommendation.named_in_answer(ranking, choice):
        if outcome.accuracies.worth(summary) is not Worth.EXACT:
            known = accuracy_cell(summary, outcome.accuracies)
            if summary.quantised:
                lines.append(f"accuracy of {summary.case.name} in int8 not measured: {IN_FLOATING_POINT}")
            elif known == NOT_MEASURED:
                lines.append(f"accuracy of {summary.case.name} not measured: {how_to_measure(summary.case)}")
            else:
                lines.append(f"accuracy of {summary.case.name}: {known}")
    return lines


def _records(outcome: ChooseOutcome, number: int, request: ChooseRequest) -> list[dict[str, Any]]:
    ranking, choice = outcome.answers[number]
    verdicts = {s.case: "within" for s in choice.within} | {s.case: "leader" for s in choice.leaders}
    verdicts |= {s.case: "over" for s, _ in choice.over} | {s.case: "not measured" for s, _ in choice.unmeasured}
    verdicts |= dict.fromkeys(outcome.missed[number], "accuracy")
    if outcome.in_model:
        verdicts |= _in_model(outcome.in_model[number])
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
            "accuracy": _accuracy(s, outcome.accuracies),
        }
        | ({"quality": _quality(s)} if outcome.in_model else {})
        for s in ranking.ranked
    ]


def _accuracy(summary: Summary, accuracies: Accuracies) -> dict[str, float]:
    """The mean accuracy of a method on each task that it was trained on."""
    means = {}
    for results, found in accuracies.on_each_task(summary):
        score = results.score_of_reference(summary) if found is None else found.counted
        if score is not None and score.mean is not None:
            means[f"{results.task}{place_of(results, accuracies.tasks)}"] = score.mean
    return means


def _in_model(one: ModelChoice) -> dict[Case, str]:
    """The verdicts on the methods that keep the budgets: `chosen`, `kept` for the model as it is, else `within`."""
    verdicts = {s.case: "within" for s in one.choice.within}
    if one.chosen is not None:
        verdicts[one.chosen.summary.case] = "chosen"
    elif one.original_within:
        verdicts[one.found.original.case] = "kept"
    return verdicts


def _quality(summary: Summary) -> dict[str, float]:
    """The figures of the evaluation and of drift, at once and after training."""
    names = metrics_of(summary) + [f"{RECOVERED}{name}" for name in metrics_of(summary, RECOVERED)]
    return {name: summary.values[name] for name in names}


def _entry(outcome: ChooseOutcome, number: int, request: ChooseRequest, labels: Labels) -> dict[str, Any]:
    return {
        "sentence": _sentence(outcome, number, request, labels),
        "remarks": _remarks(outcome, number, request, labels),
        "budgets": request.budgets.given,
        "min_accuracy": [asdict(floor) for floor in request.floors],
        "methods": _records(outcome, number, request),
    }
