"""`dctbench atlas`: from which length each method pays, on many machines."""

from __future__ import annotations

from pathlib import Path

import click

from dctbench import errors
from dctbench.analysis import REFERENCE
from dctbench.app.atlas import Atlas, AtlasRequest, gallery_problems, make_atlas
from dctbench.cli.options import completion
from dctbench.cli.options.click_ext import (
    CONTEXT,
    Command,
    Flag,
    complete_path,
    force_option,
    format_option,
    unused_store_option,
    version_option,
    was_typed,
)
from dctbench.cli.tables.records import print_records
from dctbench.cli.terminal.files import check_writable, write_whole
from dctbench.cli.terminal.progress import Display
from dctbench.page.assets import MARK
from dctbench.page.atlas import atlas_html
from dctbench.wording import atlas as words
from dctbench.wording.labels import Labels

_PAGE = "The page"


@click.command(
    "atlas",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench atlas reports/gallery/machines", "dctbench atlas lab.sqlite results.json -o lab.html"),
)
@click.argument("sources", nargs=-1, required=True, metavar="DIR|FILE|STORE|URL ...", shell_complete=complete_path)
@click.option("--reference", cls=Flag, metavar="IMPL", default=REFERENCE, show_default=True,
              shell_complete=completion.axis("impl"),
              help="Method that the others are compared with.")  # fmt: skip
@click.option("--check", cls=Flag, is_flag=True,
              help="Only check the files: whole, plausible, and naming nobody.")  # fmt: skip
@click.option("-o", "--output", cls=Flag, section=_PAGE, metavar="FILE", default="dctbench-atlas.html",
              show_default=True, help="Write the page to this file.")  # fmt: skip
@force_option(_PAGE)
@unused_store_option
@format_option
@version_option
def command(sources: tuple[str, ...], reference: str, check: bool, output: str, force: bool, output_format: str) -> int:
    """Show on which machine each method pays off, and from which length: one row for each machine.

    A source is a folder of exported files, one such file, or a store with the runs of many machines. Of several runs
    of one machine, the latest that compares a method at a length counts there.
    """
    if check:
        for name in ("reference", "output", "force", "output_format"):
            if was_typed(name):
                flag = {"output": "-o", "output_format": "--format"}.get(name, f"--{name}")
                raise errors.UsageError(f"--check takes no {flag}: it only checks the files", hint=f"leave out {flag}")
        found = gallery_problems(sources)
        if found:
            lines = [f"{path}: {text}" for path, texts in found.items() for text in texts]
            raise errors.UsageError("; ".join(lines), hint="see CONTRIBUTING.md, Add your machine to the atlas")
        click.echo("every file can be added to the gallery", err=True)
        return errors.EXIT_OK
    check_writable(Path(output), MARK, force=force)
    with Display("none") as display:
        made = make_atlas(AtlasRequest(sources=sources, reference=reference), display)
    print_records(_records(made), output_format)
    page = atlas_html(made.sheets, made.runs, made.reference)
    click.echo(str(write_whole(Path(output), page, MARK, force=force)), err=True)
    return errors.EXIT_OK


def _records(made: Atlas) -> list[dict[str, str]]:
    labels = Labels(sheet.case for sheet in made.sheets)
    return [
        {"machine": name, "shape": labels.facet(sheet.case), "method": column.name,
         f"faster than {made.reference}": words.cell(found.get(column))}
        for sheet in made.sheets for name, found in sheet.rows.items() for column in sheet.columns
    ]  # fmt: skip
