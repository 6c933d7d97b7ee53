"""`dctbench list impls`: the implementations of attention, and what stored trainings showed of them."""

from __future__ import annotations

import click

from dctbench import catalog, errors
from dctbench.cli.commands.list.printing import Record, print_list
from dctbench.cli.options.click_ext import CONTEXT, Command, Flag, format_option, store_option, version_option
from dctbench.cli.tables.damage import refuse_damage


@click.command(
    "impls",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench list impls", "dctbench list impls --tested --format json"),
)
@click.option(
    "--tested",
    cls=Flag,
    is_flag=True,
    help="List only those that stored runs have trained on acuity, with the resolution of each.",
)
@store_option
@format_option
@version_option
def command(tested: bool, store: str, output_format: str) -> int:
    """List the implementations of attention: exact ones, approximations and controls."""
    if tested:
        return _tested(store, output_format)
    records = [
        {
            "name": entry.name,
            "kind": entry.kind.value,
            "keeps": entry.kept_means if entry.uses_ratio else None,
            "kept": entry.default_kept,
            "error": entry.error_means.value,
            "scopes": " ".join(entry.scopes),
            "source": entry.source,
            "summary": entry.summary,
        }
        for entry in catalog.implementations().values()
    ]
    print_list(records, output_format, "implementations", hidden=("scopes", "error"))
    return errors.EXIT_OK


def _tested(location: str, output_format: str) -> int:
    """Print a record for each method and compression that was trained, with its resolution in tokens."""
    from dctbench.runs.tested import tested  # noqa: PLC0415 - the plain list needs no store
    from dctbench.store import open_store  # noqa: PLC0415
    from dctbench.wording.accuracy import resolution_words  # noqa: PLC0415

    damage: list[str] = []
    records: list[Record] = []
    with open_store(location) as opened:
        for one in tested(opened, damage):
            found, case = one.acuity.resolution, one.case
            records.append(
                {
                    "name": case.implementation,
                    "ratio": case.ratio,
                    "kept": case.kept,
                    "task": case.task,
                    "n": case.seq_len,
                    "seeds": len(one.acuity.seeds),
                    "resolution": resolution_words(found),
                    "tokens": None if found is None else found.value,
                    "low": None if found is None else found.low,
                    "high": None if found is None else found.high,
                    "run": one.run.short_id,
                }
            )
        name = opened.name
    if not records:
        click.echo("no stored run has measured a resolution; dctbench run --suite accuracy does", err=True)
    if records or output_format != "table":
        print_list(records, output_format, "implementations", hidden=("tokens", "low", "high"))
    refuse_damage(name, damage)
    return errors.EXIT_OK
