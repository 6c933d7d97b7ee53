"""Print the answer of `dctbench choose`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dctbench.analysis import Budgets, Choice, Ranking, Summary
from dctbench.app.choose import ChooseOutcome
from dctbench.cli.tables.records import print_records
from dctbench.cli.terminal.files import print_document
from dctbench.cli.terminal.wrap import print_sentences
from dctbench.compare.check_settings import in_turns
from dctbench.exporters.json_document import dumps
from dctbench.runs.lookup import RecordedRun
from dctbench.wording import recommendation
from dctbench.wording.labels import Labels
from dctbench.wording.markdown import escape
from dctbench.wording.summary import coverage, stability


def print_choice(outcome: ChooseOutcome, budgets: Budgets, output_format: str) -> None:
    """Print which method to ship, its costs and the results behind it, in the requested format."""
    found, answers = outcome.recorded, outcome.answers
    labels = Labels(s.case for s in outcome.summaries)
    if output_format == "json":
        print_document(
            dumps({"run": found.run.id, "answers": [_entry(*answer, budgets, labels) for answer in answers]})
        )
        return
    if output_format == "csv":
        print_records([record for answer in answers for record in _records(*answer)], "csv")
        return
    basis = _basis(found, outcome.summaries, outcome.planned)
    for number, (ranking, choice) in enumerate(answers, 1):
        verdict = recommendation.verdict(ranking, choice, budgets, labels)
        remarks = recommendation.remarks(ranking, choice, budgets)
        remarks = [*remarks, basis] if number == len(answers) else remarks
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


def _records(ranking: Ranking, choice: Choice) -> list[dict[str, Any]]:
    verdicts = {s.case: "within" for s in choice.within} | {s.case: "leader" for s in choice.leaders}
    verdicts |= {s.case: "over" for s, _ in choice.over} | {s.case: "not measured" for s, _ in choice.unmeasured}
    return [
        {
            "verdict": verdicts[s.case],
            "case_id": s.case.id,
            "case": s.case.to_json(),
            "latency": s.latency.value if s.latency else None,
            "p99_high": s.p99.high if s.p99 else None,
            "memory": s.memory,
            "error_means": s.error_means.value,
            "error.smooth": s.values.get("error.smooth"),
            "error.noise": s.values.get("error.noise"),
        }
        for s in ranking.ranked
    ]


def _entry(ranking: Ranking, choice: Choice, budgets: Budgets, labels: Labels) -> dict[str, Any]:
    return {
        "sentence": recommendation.verdict(ranking, choice, budgets, labels),
        "remarks": recommendation.remarks(ranking, choice, budgets),
        "budgets": budgets.given,
        "methods": _records(ranking, choice),
    }
