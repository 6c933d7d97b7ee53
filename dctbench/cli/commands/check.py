"""`dctbench check`: measure now, judge against a base, end with the exit code that CI reads."""

from __future__ import annotations

import shlex
from typing import Any

import click
from click.core import ParameterSource

from dctbench import errors
from dctbench.cli.commands.run import PROGRESS
from dctbench.cli.options import axes
from dctbench.cli.options.baselines import save_baseline_option
from dctbench.cli.options.budgets import budget_options
from dctbench.cli.options.click_ext import CONTEXT, Command, Flag, format_option, store_option, version_option

_BASE, _RULES, _LIMITS, _STORED, _SHOWN = (
    "What to compare with (one of)", "When it is worse", "Budgets", "What is stored", "What is shown",
)  # fmt: skip


@click.command(
    "check",
    cls=Command,
    context_settings=CONTEXT,
    examples=(
        "dctbench check --base-python ../base/.venv/bin/python",
        "dctbench check --baseline main --max-memory 64MiB --at seq=1024 --junit verdicts.xml",
    ),
)
@click.option("--base-python", cls=Flag, section=_BASE, metavar="PATH",
              help="An interpreter with dctbench and base installed: both are measured in turn, in pairs.")  # fmt: skip
@click.option("--base-impl", cls=Flag, section=_BASE, metavar="NAME",
              help="An implementation: it is measured in turn with those of --impl.")  # fmt: skip
@click.option("--baseline", cls=Flag, section=_BASE, metavar="REF|FILE",
              help="A stored run (id, label, a name given by --save-baseline) or an exported file.")  # fmt: skip
@axes.axis_options("ci")
@click.option("--reference", cls=Flag, section=_RULES, metavar="IMPL",
              help="Measured beside every case: the machine's changes show there (default: sdpa).")  # fmt: skip
@click.option("--tolerance", cls=Flag, section=_RULES, metavar="PCT",
              help="How much slower passes (default: what `dctbench noise` found, else 25%; GPU 7%).")  # fmt: skip
@click.option("--pairs", cls=Flag, section=_RULES, metavar="N",
              help="Pairs of processes of every case (default: the suite's, or 5).")  # fmt: skip
@click.option("--max-pairs", cls=Flag, section=_RULES, metavar="N",
              help="At most, where undecided (default: the suite's, or 15, or as many as a proof takes).")  # fmt: skip
@click.option("--inconclusive", cls=Flag, section=_RULES, type=click.Choice(("pass", "fail")),
              help="End with 0 or 1, and not 3, when nothing is worse but something cannot be told.")  # fmt: skip
@budget_options
@click.option("--at", cls=Flag, section=_LIMITS, multiple=True, metavar="AXIS=VALUE",
              help="Hold the budgets against these cases only, such as seq=4096,impl=dct-x.")  # fmt: skip
@save_baseline_option(_STORED, needs="--baseline")
@click.option("--label", cls=Flag, section=_STORED, metavar="TEXT", help="A name for the run (default: check).")
@click.option("--junit", cls=Flag, section=_SHOWN, metavar="FILE", help="Write the verdicts as JUnit XML, too.")
@click.option("--all", "everything", cls=Flag, section=_SHOWN, is_flag=True, help="Show what passed, too.")
@click.option("--progress", cls=Flag, section=_SHOWN, type=click.Choice(PROGRESS), default="auto", show_default=True,
              help="How progress is shown, on standard error.")  # fmt: skip
@store_option
@format_option
@version_option
def command(**flags: Any) -> int:
    """Measure now, judge against a base, and say by the exit code whether something got worse.

    Latency is judged by pairs of processes beside a reference; FLOPs, tensor bytes, errors and failures exactly. With
    --baseline, and without --suite and axis flags, the baseline's own cases are measured, under the settings that they
    were taken with. Exit 0: nothing got worse; 1: something did; 3: it cannot be told.
    """
    bases = [name for name in ("base_python", "base_impl", "baseline") if flags[name] is not None]
    if len(bases) != 1:
        said = " and ".join(f"--{name.replace('_', '-')}" for name in bases)
        raise errors.UsageError(
            f"{said}: a check has one base" if bases else "a check needs a base to compare with",
            hint="give one of --base-python, --base-impl and --baseline",
        )
    if flags["save_baseline"] is not None and flags["baseline"] is None:
        name = shlex.quote(flags["save_baseline"])
        raise errors.UsageError(
            "--save-baseline: this check measures head in turns with base, and that compares with no run by itself",
            hint=f"measure a baseline by itself: dctbench run --suite ci --save-baseline {name}",
        )
    from dctbench.app import check  # SQLAlchemy comes with it, and help must answer at once

    source = click.get_current_context().get_parameter_source
    return check.check(flags, {name for name in flags if source(name) is not ParameterSource.DEFAULT})
