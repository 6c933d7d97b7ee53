"""`dctbench list tasks`: what models are trained on."""

from __future__ import annotations

import click

from dctbench import errors
from dctbench.catalog.tasks import tasks
from dctbench.cli.commands.list.printing import print_list
from dctbench.cli.options.click_ext import CONTEXT, Command, format_option, unused_store_option, version_option


@click.command(
    "tasks",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench list tasks", "dctbench list tasks --format json"),
)
@unused_store_option
@format_option
@version_option
def command(output_format: str) -> int:
    """List the tasks: the question that each asks of an attention, at which length, and what a guess gets.

    Every task also has the variants scrambled (the rows of a sequence are permuted after positions were added) and 4x
    (four times the steps; any number).
    """
    records = []
    for entry in tasks().values():
        facts = entry.facts
        records.append(
            {
                "name": entry.name,
                "n": None if facts is None else facts.seq_len,
                "classes": None if facts is None else facts.classes,
                "guess": None if facts is None else round(facts.guess, 4),
                "floor": None if facts is None else round(facts.floor, 4),
                "steps": None if facts is None else facts.steps,
                "batch": None if facts is None else facts.batch,
                "smooth": None if facts is None else facts.smooth,
                "slices": [] if facts is None else list(facts.slices),
                "variants": list(entry.variants),
                "needs": entry.extra and f"dctbench[{entry.extra}]",
                "device": entry.device,
                "source": entry.source,
                "summary": entry.summary,
            }
        )
    print_list(records, output_format, "tasks", hidden=("floor", "batch", "classes", "slices", "device", "source"))
    return errors.EXIT_OK
