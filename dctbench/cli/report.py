"""`dctbench report`: stored results -> one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from dctbench import errors
from dctbench.cli.commands import CONTEXT, Command, Flag, store_option, version_option
from dctbench.cli.files import write_whole
from dctbench.cli.streams import typed
from dctbench.texts import harmless

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
    """Make one self-contained HTML page from the results of a run (by default the latest), or of an exported file."""
    from dctbench.references import resolve
    from dctbench.report.html import html

    found = resolve(store, run)
    if not found.results:
        raise errors.UsageError(
            f"run {found.run.short_id} has no results yet", hint="go on with: dctbench run --resume"
        )
    page = html(
        found.run,
        found.environments,
        found.results,
        len(found.plan),
        title=harmless(typed(title)) if title else title,
        reference=found.reference(reference),
    )
    path = write_whole(Path(output), page)
    click.echo(str(path))
    if open_page:
        click.launch(path.absolute().as_uri())
    return errors.EXIT_OK
