"""Print the plan of a run, for --dry-run: its cases, and how long each takes."""

from __future__ import annotations

from typing import Any

import click

from dctbench.cli.tables.records import print_records
from dctbench.cli.terminal.files import print_document
from dctbench.cli.terminal.plan_size import plan_size
from dctbench.exporters.json_document import dumps, plan_document
from dctbench.scheduler.plan import Plan
from dctbench.text.format import format_duration


def print_plan(plan: Plan, budget: float | None, output_format: str) -> None:
    """Print the cases with an estimate for each, in the requested format."""
    total_seconds = plan.seconds_left(budget)
    if output_format == "json":
        figures = {"seconds": round(total_seconds, 3), "rates_measured_here": plan.estimate.measured}
        print_document(dumps(plan_document(plan.cases, figures)))
        return
    seconds = dict.fromkeys(plan.cases, 0.0)
    for case, number in plan.processes:
        seconds[case] += plan.estimate.seconds(case, number)
    if output_format == "csv":
        rows: list[dict[str, Any]] = [
            {"case_id": case.id, "case": case.to_json(), "seconds": round(seconds[case], 3)} for case in plan.cases
        ]
    else:
        trains = any(case.task is not None for case in plan.cases)
        rows = [
            {
                "case": case.name,
                **({"task": case.task or "latency"} if trains else {}),
                "n": case.seq_len,
                "n_kept": case.n_kept,
                "batch": case.batch,
                "heads": f"{case.heads} x {case.head_dim}",
                "dtype": case.dtype,
                "device": case.device,
                "estimate": format_duration(seconds[case]),
            }
            for case in plan.cases
        ]
    print_records(rows, output_format)
    basis = plan.estimate.caveat or "from what was measured in this environment"
    click.echo(f"{plan_size(plan)}, about {format_duration(total_seconds)} ({basis})", err=True)
