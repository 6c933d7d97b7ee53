"""A comparison as JSON and CSV, with every verdict in SI units."""

from __future__ import annotations

import csv
import io

from dctbench.compare import ComparisonOutcome
from dctbench.exporters.csv import escape_formula
from dctbench.exporters.json_document import run_document
from dctbench.model import JSON, SCHEMA_VERSION, Case, Verdict
from dctbench.text.sanitize import sanitize_values
from dctbench.wording import verdict_sentences
from dctbench.wording.reasons import reason_text
from dctbench.wording.verdict_cells import opening

_FIGURES = ("base", "head", "effect", "low", "high", "raw", "tolerance")


def check_document(outcome: ComparisonOutcome) -> JSON:
    """Return the document of `check` and `compare`. `effect` is head / base, `raw` the same without the reference.

    `further` are more runs of the same code as `base`; what the verdicts say of base is then their mean.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "exit_code": outcome.exit_code,
        "summary": opening(outcome),
        "base": run_document(outcome.base),
        "head": run_document(outcome.head),
        "further": [run_document(run) for run in outcome.further],
        "drift": dict(outcome.judgement.drift),
        "verdicts": [_entry(verdict) for verdict in outcome.judgement.verdicts],
        "environment_differences": [
            sanitize_values({"fact": one.fact, "base": one.base, "head": one.head}) for one in outcome.differences
        ],
        "warnings": verdict_sentences.warnings(outcome),
    }


def verdicts_csv(outcome: ComparisonOutcome) -> str:
    """Return one row per verdict, with both runs and the fields of the case."""
    case_columns = list(Case("none", 1).to_json())
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["base_run", "head_run", "case_id", *case_columns, "metric", "kind", *_FIGURES, "reason"])
    runs = (outcome.base.id, outcome.head.id)
    for verdict in outcome.judgement.verdicts:
        entry = _entry(verdict)
        cells = [entry["case_id"], *entry["case"].values(), entry["metric"], entry["kind"]]
        cells += [*(entry[name] for name in _FIGURES), entry["reason"]]
        writer.writerow([escape_formula(cell) for cell in (*runs, *cells)])
    return out.getvalue()


def _entry(verdict: Verdict) -> JSON:
    return {
        "case_id": verdict.case.id,
        "case": verdict.case.to_json(),
        "metric": verdict.metric,
        "kind": verdict.kind.value,
        **{name: getattr(verdict, name) for name in _FIGURES},
        "reason": reason_text(verdict.reason),
    }
