"""Print the plan of a run or a check, for --dry-run: its cases, and how long each takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from dctbench.app.check_plan import DryRun
from dctbench.cli.tables.records import print_records
from dctbench.cli.terminal.files import print_document
from dctbench.cli.terminal.plan_size import plan_size
from dctbench.exporters.json_document import dumps, plan_document
from dctbench.model import Case
from dctbench.model.case import FACET_AXES
from dctbench.scheduler.plan import Plan
from dctbench.text.format import format_duration
from dctbench.wording.labels import axis_value

_ALWAYS = frozenset({"task", "batch", "heads", "head_dim", "dtype", "device"})
"""The axes that the table shows in any case; the others only where the cases differ."""

Sides = Mapping[Case, Sequence[str]]


def print_plan(plan: Plan, budget: float | None, output_format: str) -> None:
    """Print the cases of a run with an estimate for each, in the requested format."""
    total_seconds = plan.seconds_left(budget)
    _print_cases([plan], None, total_seconds, output_format)
    _print_size(plan_size(plan), plan, total_seconds)


def print_dry_run(planned: DryRun, output_format: str) -> None:
    """Print the cases of a check with the sides that measure them and an estimate for each, over both sides."""
    plans, head = planned.sides, planned.sides["head"]
    sides = {
        case: [name for name, plan in plans.items() if case in plan.rounds]
        for case in dict.fromkeys(case for plan in plans.values() for case in plan.cases)
    }
    total_seconds = sum(plan.seconds for plan in plans.values())
    _print_cases(list(plans.values()), sides, total_seconds, output_format)
    more = f", up to {planned.most} where undecided" if planned.most > head.most_rounds else ""
    _print_size(plan_size(head, "pair" if "base" in plans else "process") + more, head, total_seconds)


def _print_cases(plans: Sequence[Plan], sides: Sides | None, total_seconds: float, output_format: str) -> None:
    """Print the cases of plans that belong together, each once. `sides` names the sides of a check by case."""
    seconds: dict[Case, float] = {}
    for plan in plans:
        for case, rounds in plan.rounds.items():
            taken = plan.repeats.get(case, 1) * plan.estimate.in_rounds(case, rounds)
            seconds[case] = seconds.get(case, 0.0) + taken
    if output_format == "json":
        here = plans[0].estimate.measured
        print_document(dumps(plan_document(list(seconds), total_seconds, measured_here=here, sides=sides)))
        return
    if output_format == "csv":
        print_records(_fields(seconds, sides), output_format)
    else:
        print_records(_cells(seconds, sides, _ends(plans)), output_format)


def _ends(plans: Sequence[Plan]) -> dict[Case, str]:
    """Return what becomes of the cases that are not predicted to be measured."""
    unending = {case: "timeout" for plan in plans for case in plan.unending}
    return {case: "left out" for plan in plans for case in plan.estimate.left_out} | unending


def _fields(seconds: Mapping[Case, float], sides: Sides | None) -> list[dict[str, Any]]:
    """Return every field of the cases, for programs."""
    more = {case: {} if sides is None else {"sides": " ".join(sides[case])} for case in seconds}
    return [
        {"case_id": case.id, "case": case.to_json(), **more[case], "seconds": round(estimate, 3)}
        for case, estimate in seconds.items()
    ]


def _cells(seconds: Mapping[Case, float], sides: Sides | None, ends: Mapping[Case, str]) -> list[dict[str, Any]]:
    """Return what tells the cases apart, for people: the usual columns, and every other one in which they differ."""
    cases = list(seconds)
    trains = any(case.task is not None for case in cases)
    others = [axis for axis in FACET_AXES if axis not in _ALWAYS]
    varying = [axis for axis in others if len({getattr(case, axis) for case in cases}) > 1]
    by_side = sides is not None and len(set(map(tuple, sides.values()))) > 1
    return [
        {
            "case": case.name,
            **({"task": case.task or "latency"} if trains else {}),
            "n": case.seq_len,
            "n_kept": case.n_kept,
            "batch": case.batch,
            "heads": f"{case.heads} x {case.head_dim}",
            "dtype": case.dtype,
            "device": case.device,
            **{axis: axis_value(case, axis) for axis in varying},
            **({"sides": " ".join(sides[case])} if sides is not None and by_side else {}),
            "estimate": ", ".join([format_duration(seconds[case]), *filter(None, [ends.get(case)])]),
        }
        for case in cases
    ]


def _print_size(size: str, plan: Plan, seconds: float) -> None:
    basis = plan.estimate.caveat or "from what was measured in this environment"
    click.echo(f"{size}, about {format_duration(seconds)} ({basis})", err=True)
