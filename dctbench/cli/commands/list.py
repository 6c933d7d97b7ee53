"""`dctbench list`: what there is to measure, and what has been measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from dctbench import catalog, errors
from dctbench.cli.options.click_ext import CONTEXT, Command, format_option, store_option, version_option
from dctbench.cli.tables.records import flat, print_records

if TYPE_CHECKING:
    from dctbench.store import RunState

Record = dict[str, Any]


@click.command(
    "list",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench list impls", "dctbench list cases latest --format json"),
)
@click.argument("what", metavar="impls|suites|devices|metrics|runs|cases")
@click.argument("run", required=False, metavar="[RUN]")
@store_option
@format_option
@version_option
def command(what: str, run: str | None, store: str, output_format: str) -> int:
    """List implementations, suites, devices, metrics, stored runs, or the cases of a run (by default the latest).

    RUN is an id or the start of one, latest, latest~1, a label, a baseline's name, or an exported file.
    """
    if what not in KINDS:
        raise catalog.unknown("list", what, KINDS)
    if run is not None and what != "cases":
        raise errors.UsageError(f"list {what} takes no run", hint="only `dctbench list cases RUN` does")
    records = KINDS[what](store, run)
    if output_format in ("table", "md"):
        records = [_shown(record) for record in records]
    if output_format != "json":
        records = [{k: ", ".join(v) if isinstance(v, list) else v for k, v in record.items()} for record in records]
    if records or output_format != "table":
        print_records(records, output_format)
    else:
        click.echo(f"no {what} yet", err=True)
    return errors.EXIT_OK


def _impls(store: str, run: str | None) -> list[Record]:
    return [
        {
            "name": entry.name,
            "kind": entry.kind.value,
            "ratio": entry.ratio_means if entry.uses_ratio else None,
            "scopes": " ".join(entry.scopes),
            "source": entry.source,
            "summary": entry.summary,
        }
        for entry in catalog.implementations().values()
    ]


def _suites(store: str, run: str | None) -> list[Record]:
    from dctbench.spec import suites

    return [{"name": name, "summary": suites.load(name).description} for name in suites.shipped()]


def _devices(store: str, run: str | None) -> list[Record]:
    """Each kind of device: what is `here` of it, or why it is `unavailable`."""
    from dctbench.machine import nvml

    absent = {name: nvml.unavailable(name) for name in catalog.DEVICES}
    return [
        {
            "name": entry.name,
            "here": None if absent[entry.name] else _described(entry.name),
            "unavailable": (absent[entry.name] or "").partition(": ")[2] or None,
            "summary": entry.summary,
        }
        for entry in catalog.DEVICES.values()
    ]


def _described(device: str) -> str:
    from dctbench.machine import environment, nvml

    if device == "cuda":
        from dctbench.doctor.gpu import title

        return ", ".join(f"cuda:{number} {title(gauge.facts())}" for number, gauge in enumerate(nvml.visible()))
    cores = f", {environment.usable_cores()} usable cores" if device == "cpu" else ""
    return f"{environment.cpu_model()}{cores}"


def _metrics(store: str, run: str | None) -> list[Record]:
    return [{"name": m.name, "unit": m.unit, "summary": m.summary} for m in catalog.metrics().values()]


def _runs(store: str, run: str | None) -> list[Record]:
    from dctbench.store import open_store

    with open_store(store) as opened:
        baselines = opened.baselines()
        return [
            {
                "run": state.run.short_id,
                "started": state.run.started_at[:19].replace("T", " "),
                "suite": state.run.suite,
                "results": _stored(state),
                "failed": state.failed,
                "baselines": [baseline.name for baseline in baselines if baseline.run_id == state.run.id],
                "label": state.run.label,
            }
            for state in opened.runs()
        ]


def _cases(store: str, run: str | None) -> list[Record]:
    from dctbench.runs.lookup import resolve

    recorded = resolve(store, run or "latest")
    found = {summary.case: summary for summary in recorded.summaries}
    return [
        {
            "case_id": case.id,
            "case": case.to_json(),
            "rounds": len(found[case].rounds) if case in found else 0,
            "status": found[case].status if case in found else "not run yet",
            "message": found[case].message if case in found else None,
        }
        for case in recorded.plan
    ]


def _shown(record: Record) -> Record:
    """As people read it: without columns that only programs read, and why something is not there in its place."""
    shown = {key: value for key, value in flat(record).items() if key not in ("scopes", "unavailable", "task")}
    return shown | {"here": f"no: {record['unavailable']}"} if record.get("unavailable") else shown


KINDS: dict[str, Callable[[str, str | None], list[Record]]] = {
    "impls": _impls,
    "suites": _suites,
    "devices": _devices,
    "metrics": _metrics,
    "runs": _runs,
    "cases": _cases,
}


def _stored(state: RunState) -> str:
    """`30 of 36`; of a check, which measures until it can judge, only how many there are."""
    return str(state.stored) if state.run.is_check else f"{state.stored} of {state.planned}"
