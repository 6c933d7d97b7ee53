"""`dctbench report`: write one HTML page from stored results."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from functools import reduce
from operator import or_
from pathlib import Path

import click

from dctbench import errors
from dctbench.app.session import how_to_measure
from dctbench.cli.options import completion
from dctbench.cli.options.click_ext import (
    CONTEXT,
    Command,
    Flag,
    force_option,
    store_option,
    unused_format_option,
    version_option,
)
from dctbench.cli.options.disclosure import anonymous_option, host_label_option
from dctbench.cli.tables.damage import refuse_damage
from dctbench.cli.terminal.files import check_writable, write_whole
from dctbench.cli.terminal.streams import typed
from dctbench.compare import outcome
from dctbench.compare.check_settings import read_check_settings
from dctbench.compare.history import ChangePoint, History, change_points, find_case, history
from dctbench.compare.stored import NoResultsError, compare_stored
from dctbench.page.assets import MARK
from dctbench.page.html import html
from dctbench.runs.lookup import RecordedRun, disclosure, forwarded, known_reference, recorded, resolve, usual_reference
from dctbench.store import masked, open_store
from dctbench.text.sanitize import sanitize_text

_PAGE = "The page"


@click.command(
    "report",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench report", "dctbench report laptop server --compress -o both.html"),
)
@click.argument("runs", nargs=-1, metavar="[RUN ...]", shell_complete=completion.runs)
@click.option(
    "-o",
    "--output",
    cls=Flag,
    section=_PAGE,
    metavar="FILE",
    default="dctbench-report.html",
    show_default=True,
    help="Write the page to this file.",
)
@click.option("--title", cls=Flag, section=_PAGE, metavar="TEXT", help="Heading; by default the run's label or id.")
@click.option("--reference", cls=Flag, section=_PAGE, metavar="IMPL", shell_complete=completion.axis("impl"),
              help="Method that speed-ups compare with.")  # fmt: skip
@click.option("--baseline", cls=Flag, section=_PAGE, metavar="REF", shell_complete=completion.runs,
              help="A run to compare the first one with (default: the base of its check).")  # fmt: skip
@click.option("--history", "case", cls=Flag, section=_PAGE, metavar="CASE",
              help="Show one case over all stored runs, by its id or such as 'dct-x r=8 n=4096'; from ten runs "
                   "on it needs the extra `history`.")  # fmt: skip
@click.option("--compress", cls=Flag, section=_PAGE, is_flag=True,
              help="Half the size; needs a browser of 2023 or later.")  # fmt: skip
@click.option("--open", "open_page", cls=Flag, section=_PAGE, is_flag=True, help="Open the page in a browser.")
@force_option(_PAGE)
@host_label_option(_PAGE)
@anonymous_option(_PAGE)
@store_option
@unused_format_option
@version_option
def command(
    runs: tuple[str, ...],
    output: str,
    title: str | None,
    reference: str | None,
    baseline: str | None,
    case: str | None,
    compress: bool,
    open_page: bool,
    force: bool,
    host_label: str | None,
    anonymous: bool,
    store: str,
) -> int:
    """Write one self-contained HTML page from the results of a run (by default the latest) or of an exported file.

    Several runs, such as those of two machines, appear side by side; no figure mixes them.

    RUN is an id or the start of one, latest, latest~1, a label, a baseline's name, or an exported file.
    """
    check_writable(Path(output), MARK, force=force)
    gc.disable()  # a million small objects without cycles: collecting took a quarter of the time
    damage: list[str] = []
    found = [resolve(store, run, damage) for run in dict.fromkeys(runs or ("latest",))]
    for one in found:
        if not one.results:
            refuse_damage(masked(store), damage)
            raise errors.UsageError(f"run {one.run.short_id} has no results yet", hint=how_to_measure(one, store))
    base = _checked_against(store, found[0], damage) if baseline is None else resolve(store, baseline, damage)
    shown = [*found, *([] if base is None else [base])]
    may = reduce(or_, [disclosure(one, anonymous=anonymous, host_label=host_label) for one in shown])
    compared = None
    if base is not None:
        try:
            compared = outcome.forwarded(compare_stored(base, found[0]), may)
        except NoResultsError as error:
            raise errors.CannotJudgeError(error.message, hint=how_to_measure(error.recorded, store)) from None
    page = html(
        [forwarded(one, may) for one in found],
        heading=sanitize_text(typed(title)) if title else title,
        reference=_reference(found, reference),
        compress=compress,
        compared=compared,
        past=None if case is None else _history(store, case, damage),
    )
    path = write_whole(Path(output), page, MARK, force=force)
    click.echo(str(path))
    if open_page:
        click.launch(path.absolute().as_uri())
    refuse_damage(masked(store), damage)
    return errors.EXIT_OK


def _checked_against(store: str, head: RecordedRun, damage: list[str]) -> RecordedRun | None:
    """Return the base of the check that measured a run, or None when the store does not have it.

    `damage` gets the damaged records of the base, which are left out.
    """
    check = read_check_settings(head.run)
    if check is None or check.base is None:
        return None
    try:
        with open_store(store) as opened:
            # Only the full id counts: an imported file may contain anything there.
            bases = (state.run for state in opened.runs([]) if state.run.id == check.base and state.stored)
            base = next((recorded(opened, run, damage) for run in bases), None)
    except errors.StoreError:  # the run came from a file, and there may be no store
        return None
    return base


def _history(store: str, case: str, damage: list[str]) -> tuple[History, Sequence[ChangePoint]]:
    with open_store(store) as opened:
        found = history(opened, find_case(opened, case, damage), damage=damage)
    return found, change_points(found)


def _reference(found: list[RecordedRun], name: str | None) -> str | None:
    """Return the reference: the one named, which at least one of the runs must contain, else the default."""
    if name is None:
        return usual_reference(found)
    return known_reference(name, (result.case for recorded in found for result in recorded.results))
