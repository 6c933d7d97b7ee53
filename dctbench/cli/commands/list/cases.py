"""`dctbench list cases`: the cases of a run."""

from __future__ import annotations

import click

from dctbench import errors
from dctbench.cli.commands.list.printing import print_list
from dctbench.cli.options import completion
from dctbench.cli.options.click_ext import CONTEXT, Command, format_option, store_option, version_option
from dctbench.runs.lookup import disclosure, forwarded, resolve


@click.command(
    "cases",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench list cases", "dctbench list cases latest~1 --format json"),
)
@click.argument("run", default="latest", metavar="[RUN]", shell_complete=completion.runs)
@store_option
@format_option
@version_option
def command(run: str, store: str, output_format: str) -> int:
    """List the cases of a run (by default the latest), and how each of them ended.

    RUN is an id or the start of one, latest, latest~1, a label, a baseline's name, or an exported file.
    """
    stored = resolve(store, run)
    recorded = forwarded(stored, disclosure(stored))
    found = {summary.case: summary for summary in recorded.summaries}
    records = [
        {
            "case_id": case.id,
            "case": case.to_json(),
            "rounds": len(found[case].rounds) if case in found else 0,
            "status": found[case].status if case in found else "not run yet",
            "message": found[case].message if case in found else None,
        }
        for case in recorded.plan
    ]
    trained = any(case.task is not None for case in recorded.plan)
    print_list(records, output_format, "cases", hidden=() if trained else ("task",))
    return errors.EXIT_OK
