"""`dctbench report`: stored results -> one HTML file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from dctbench import analysis, catalog, errors
from dctbench.cli.commands import CONTEXT, Command, Flag, store_option, version_option

_PAGE = "The page"


@click.command(
    "report",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench report", "dctbench report latest~1 -o before.html"),
)
@click.argument("run", default="latest", metavar="[RUN]")
@click.option(
    "-o",
    "--output",
    cls=Flag,
    section=_PAGE,
    metavar="FILE",
    default="dctbench-report.html",
    show_default=True,
    help="Where the page goes.",
)
@click.option("--title", cls=Flag, section=_PAGE, metavar="TEXT", help="Heading; by default the run's label or id.")
@click.option("--reference", cls=Flag, section=_PAGE, metavar="IMPL", help="What ratios are taken against.")
@click.option("--open", "open_page", cls=Flag, section=_PAGE, is_flag=True, help="Show the page in a browser.")
@store_option
@version_option
def command(run: str, output: str, title: str | None, reference: str | None, open_page: bool, store: str) -> int:
    """Make one self-contained HTML page from the results of a run (by default the latest)."""
    from dctbench.report.html import html
    from dctbench.store import open_store

    with open_store(store) as opened:
        found = opened.find_run(run).run
        results = opened.results(found.id)
        if not results:
            raise errors.UsageError(
                f"run {found.short_id} has no results yet", hint="go on with: dctbench run --resume"
            )
        measured = {result.case.implementation for result in results}
        if reference is not None and reference not in measured:
            raise catalog.unknown("reference in this run", reference, measured)
        page = html(
            found,
            opened.environments(found.id),
            results,
            len(opened.plan(found.id)[0]),
            title=title,
            reference=reference or analysis.default_reference(result.case for result in results),
        )
    path = write_whole(Path(output), page)
    click.echo(str(path))
    if open_page:
        click.launch(path.absolute().as_uri())
    return errors.EXIT_OK


def write_whole(path: Path, text: str) -> Path:
    """Write a file so that a reader finds the old one or the new one, never half of one.

    Raises:
        UsageError: when it cannot be written there.
    """
    try:
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            umask = os.umask(0)
            os.umask(umask)
            Path(partial).chmod(0o666 & ~umask)
            Path(partial).replace(path)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise errors.UsageError(f"cannot write {path}: {error.strerror}", hint="name another file with -o") from error
    return path
