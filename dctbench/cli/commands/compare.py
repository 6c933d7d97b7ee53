"""`dctbench compare`: show what changed between two stored runs."""

from __future__ import annotations

import click

from dctbench import catalog, errors
from dctbench.app.session import how_to_measure
from dctbench.cli.options import completion
from dctbench.cli.options.click_ext import (
    CONTEXT,
    Command,
    Flag,
    format_option,
    store_option,
    version_option,
    was_typed,
)
from dctbench.cli.tables.comparison import print_outcome
from dctbench.cli.tables.history import print_history
from dctbench.cli.terminal.streams import outlive_readers
from dctbench.compare.outcome import forwarded
from dctbench.compare.stored import NoResultsError, compare_stored
from dctbench.runs.lookup import disclosure, resolve
from dctbench.spec.gate import parse_tolerance
from dctbench.store import open_store

_HOW, _SHOWN = "How to compare", "What is shown"


@click.command(
    "compare",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench compare latest~1 latest", "dctbench compare --history 'dct-x r=8 n=4096'"),
)
@click.argument("base", default="", metavar="[A]", shell_complete=completion.runs)
@click.argument("head", default="latest", metavar="[B]", shell_complete=completion.runs)
@click.option("--reference", cls=Flag, section=_HOW, metavar="IMPL", shell_complete=completion.axis("impl"),
              help="Implementation whose latency cancels drift (default: that of the check of B against A, if there "
                   "was one, else sdpa or full).")  # fmt: skip
@click.option("--tolerance", cls=Flag, section=_HOW, metavar="PCT",
              help="How much slower is accepted (default: that of the check of B against A, if there was one, else "
                   "25%; GPU 7%).")  # fmt: skip
@click.option("--history", "case", cls=Flag, section=_HOW, metavar="CASE",
              help="Instead of A and B: one case over all stored runs, such as 'dct-x r=8 n=4096'; "
                   "from ten runs on it needs the extra `history`.")  # fmt: skip
@click.option("--all", "everything", cls=Flag, section=_SHOWN, is_flag=True, help="Also show what did not change.")
@store_option
@format_option
@version_option
def command(
    base: str,
    head: str,
    reference: str | None,
    tolerance: str | None,
    case: str | None,
    everything: bool,
    store: str,
    output_format: str,
) -> int:
    """Compare run A (the base) with run B (by default the latest): show what changed, and by how much.

    A and B are ids or starts of one, latest, latest~1, labels, baselines' names, or exported files.

    Exit 0 when something could be compared, whatever the result, else 3. To fail a build when something got worse,
    measure again: dctbench check.
    """
    outlive_readers()  # the exit code says whether anything could be compared, whoever reads the rest
    if base and not was_typed("case"):
        case = None  # a default of pyproject.toml is for calls that name no runs
    if case is not None:
        if base:
            raise errors.UsageError("--history takes no runs: it covers all of them", hint="leave out A and B")
        for flag, name in (("--tolerance", "tolerance"), ("--all", "everything")):
            if was_typed(name):
                why = "it shows every run and judges none"
                raise errors.UsageError(f"--history takes no {flag}: {why}", hint=f"leave out {flag}")
        with open_store(store) as opened:
            print_history(opened, case, output_format, reference)
        return errors.EXIT_OK
    if not base:
        raise errors.UsageError("compare needs a run to compare with", hint="dctbench compare latest~1 latest")
    allowed = None if tolerance is None else parse_tolerance("--tolerance", [tolerance])
    sides = resolve(store, base), resolve(store, head)
    if reference is not None and all(side.results for side in sides):
        common = set.intersection(*({result.case.implementation for result in side.results} for side in sides))
        if reference not in common:
            raise catalog.unknown("reference in both runs", reference, common)
    try:
        found = compare_stored(*sides, reference=reference, tolerance=allowed)
    except NoResultsError as error:
        raise errors.CannotJudgeError(error.message, hint=how_to_measure(error.recorded, store)) from None
    outcome = forwarded(found, disclosure(sides[0]) | disclosure(sides[1]))
    print_outcome(outcome, output_format, everything=everything)
    return outcome.exit_code
