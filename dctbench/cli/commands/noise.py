"""`dctbench noise`: how noisy is this machine, and what tolerance follows for a gate."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from dctbench import errors
from dctbench.cli.commands.run import PROGRESS
from dctbench.cli.options.click_ext import CONTEXT, Command, Flag, format_option, store_option, version_option
from dctbench.compare.noise import LEAST_ROUNDS
from dctbench.spec import suites
from dctbench.text.format import format_percent

if TYPE_CHECKING:
    from dctbench.compare.noise import Noise
    from dctbench.model import Run
    from dctbench.store import Store

_HOW = "How to measure"


@click.command(
    "noise",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench noise", "dctbench noise --rounds 30 --format json"),
)
@click.option(
    "--rounds",
    cls=Flag,
    section=_HOW,
    type=click.IntRange(LEAST_ROUNDS, suites.MAX_ROUNDS),
    metavar="N",
    help="Processes per case.",
)
@click.option("--progress", cls=Flag, section=_HOW, type=click.Choice(PROGRESS), default="auto", show_default=True,
              help="How progress is shown, on standard error.")  # fmt: skip
@store_option
@format_option
@version_option
def command(rounds: int | None, **flags: Any) -> int:
    """Measure the same code against itself (A/A): how far do two runs of nothing new differ on this machine?"""
    from dctbench.app import run as sweeping

    chosen = suites.load("noise")
    if rounds:
        chosen = replace(chosen, settings=replace(chosen.settings, rounds=rounds))
    shown = {**flags, "label": "noise", "dry_run": False, "quiet": False}
    return sweeping.start(chosen, shown, present=lambda store, run: _present(store, run, flags["output_format"]))


def _present(store: Store, run: Run, output_format: str) -> None:
    from dctbench import analysis
    from dctbench.compare.noise import noise

    found = noise(analysis.summarise(store.results(run.id)), analysis.REFERENCE)
    if found is None:
        raise errors.CannotJudgeError("too few cases were measured to tell the noise", hint="see dctbench list cases")
    _print(found, output_format)


def records(found: Noise) -> list[dict[str, Any]]:
    """A record per case for programs, in the names that every document has for them; shares as numbers."""
    return [
        {
            "case_id": one.case.id,
            "case": one.case.to_json(),
            "processes": one.processes,
            "raw": one.raw,
            "relative": one.relative,
        }
        for one in found.cases
    ]


def _print(found: Noise, output_format: str) -> None:
    from dctbench.cli.tables.records import print_records
    from dctbench.cli.terminal.files import print_document
    from dctbench.cli.terminal.wrap import print_sentences
    from dctbench.exporters.json_document import dumps

    if output_format == "json":
        figures = {"raw": found.raw, "relative": found.relative, "quiet": found.quiet, "tolerance": found.tolerance}
        print_document(dumps({"cases": records(found), **figures}))
        return
    if output_format == "csv":
        print_records(records(found), "csv")
        return
    texts = [
        {
            "case": one.case.name,
            "n": one.case.seq_len,
            "processes": one.processes,
            "raw": format_percent(one.raw),
            "vs sdpa": None if one.relative is None else format_percent(one.relative),
        }
        for one in found.cases
    ]
    print_records(texts, output_format)
    if output_format == "table":
        kind = "quiet" if found.quiet else "shared or busy"
        raw, relative, tolerance = map(format_percent, (found.raw, found.relative, found.tolerance))
        print_sentences(
            [
                "",
                f"95% of processes differ from the next by less than {raw} raw, {relative} as ratio to sdpa.",
                f"This looks like a {kind} machine: judge latency with a tolerance of {tolerance}.",
            ]
        )
