"""`dctbench check`: measure now, judge against a base, and exit with a code for CI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from dctbench import errors
from dctbench.app.check import check, dry_run
from dctbench.app.requests import CheckRequest
from dctbench.cli.options import completion
from dctbench.cli.options.axes import AXES, axis_options, axis_values, chosen_suite
from dctbench.cli.options.baselines import print_saved, save_baseline_option
from dctbench.cli.options.budgets import budget_options
from dctbench.cli.options.click_ext import (
    CONTEXT,
    Command,
    Flag,
    force_option,
    format_option,
    progress_option,
    store_option,
    version_option,
    was_typed,
    without_defaults,
)
from dctbench.cli.tables.comparison import print_outcome
from dctbench.cli.tables.plan import print_dry_run
from dctbench.cli.terminal.files import check_writable, write_whole
from dctbench.cli.terminal.progress import Display
from dctbench.cli.terminal.streams import outlive_readers, typed, typed_command
from dctbench.compare.outcome import forwarded
from dctbench.exporters.junit import MARK, junit_xml
from dctbench.machine.disclosure import Disclosure
from dctbench.scheduler.events import CheckPlanned, Event, Listener
from dctbench.spec.axes import AxisValues
from dctbench.spec.gate import GATE_KEYS, GateRules

_BASE, _RULES, _LIMITS, _STORED, _SHOWN = (
    "What to compare with (one of)", "When it is worse", "Budgets", "What is stored", "What is shown",
)  # fmt: skip
_BASES = ("base_python", "base_impl", "baseline")


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
@click.option("--base-impl", cls=Flag, section=_BASE, metavar="NAME", shell_complete=completion.axis("impl"),
              help="An implementation: it is measured in turn with those of --impl.")  # fmt: skip
@click.option("--baseline", cls=Flag, section=_BASE, multiple=True, metavar="REF|FILE", shell_complete=completion.runs,
              help="A stored run (id, label, a name given by --save-baseline) or an exported file. With one alone, "
                   "latencies are advisory; give a second run of the same code.")  # fmt: skip
@axis_options("ci")
@click.option("--reference", cls=Flag, section=_RULES, metavar="IMPL", shell_complete=completion.axis("impl"),
              help="Measured with every case, to show changes of the machine (default: sdpa).")  # fmt: skip
@click.option("--tolerance", cls=Flag, section=_RULES, metavar="PCT",
              help="How much slower may pass (default: what `dctbench noise` found, else 25%; GPU 7%).")  # fmt: skip
@click.option("--max-accuracy-drop", cls=Flag, section=_RULES, metavar="POINTS",
              help="How far accuracy on a task may fall, over seeds of both sides (default: 1pt).")  # fmt: skip
@click.option("--pairs", cls=Flag, section=_RULES, metavar="N",
              help="Pairs of processes of every case (default: the suite's, or 5).")  # fmt: skip
@click.option("--max-pairs", cls=Flag, section=_RULES, metavar="N",
              help="The most pairs of an undecided case (default: the suite's, 15, or enough for proof).")  # fmt: skip
@click.option("--inconclusive", cls=Flag, section=_RULES, type=click.Choice(("pass", "fail")),
              help="Exit with 0 or 1 instead of 3 where verdicts are INCONCLUSIVE.")  # fmt: skip
@budget_options
@click.option("--at", cls=Flag, section=_LIMITS, multiple=True, metavar="AXIS=VALUE",
              help="Apply the budgets to these cases only, such as seq=4096,impl=dct-x.")  # fmt: skip
@save_baseline_option(_STORED, when="If the check passes", needs="--baseline")
@click.option("--label", cls=Flag, section=_STORED, metavar="TEXT", help="A name for the run (default: check).")
@click.option("--junit", cls=Flag, section=_SHOWN, metavar="FILE", help="Also write the verdicts as JUnit XML.")
@force_option(_SHOWN)
@click.option("--all", "everything", cls=Flag, section=_SHOWN, is_flag=True, help="Also show what passed.")
@click.option("--dry-run", cls=Flag, section=_SHOWN, is_flag=True,
              help="Print the plan with an estimate, and measure nothing.")  # fmt: skip
@progress_option(_SHOWN)
@store_option
@format_option
@version_option
def command(**flags: Any) -> int:
    """Measure now, judge against a base, and exit with 1 if something got worse.

    Latency is judged by pairs of processes beside a reference; FLOPs, tensor bytes, errors and failures exactly. With
    --baseline, and without --suite and axis flags, the cases of the baseline are measured, under its settings. Exit 0:
    nothing got worse; 1: something did; 3: no verdict on something.
    """
    flags = _with_one_base(flags)
    source = click.get_current_context().get_parameter_source
    suite_given = source("suite") is not ParameterSource.DEFAULT
    # Defaults of the folder are for sweeps. Alone, they do not keep the cases of a baseline from being measured.
    alone = flags["baseline"] and not suite_given
    axes_given = any(was_typed(axis) if alone else source(axis) is not ParameterSource.DEFAULT for axis in AXES)
    request = CheckRequest(
        baseline=next(iter(flags["baseline"]), None),
        further_baselines=flags["baseline"][1:],
        base_python=flags["base_python"],
        base_impl=flags["base_impl"],
        suite=chosen_suite(flags) if suite_given or not flags["baseline"] else None,
        axes=axis_values(flags) if axes_given else AxisValues(),
        rules=GateRules.parse({key: _texts(flags[key]) for key in GATE_KEYS if flags.get(key) not in (None, ())}),
        inconclusive=flags["inconclusive"],
        label=typed(flags["label"] or ""),
        store=flags["store"],
        save_baseline=flags["save_baseline"],
        command=typed_command(),
    )
    outlive_readers()
    if flags["dry_run"]:
        with Display(flags["progress"]) as display:
            planned = dry_run(request, display)
        print_dry_run(planned, flags["output_format"])
        return errors.EXIT_OK
    junit = None if flags["junit"] is None else Path(flags["junit"])
    with Display(flags["progress"]) as display:
        outcome = check(request, _checking_file(junit, flags["force"], display))
    found = outcome.comparison
    comparison = forwarded(found, Disclosure.here(found.base, *found.further, found.head))
    print_outcome(comparison, flags["output_format"], everything=flags["everything"])
    if junit is not None:
        write_whole(junit, junit_xml(comparison), MARK, "--junit", force=flags["force"])
    print_saved(outcome.baseline)
    return outcome.exit_code


def _with_one_base(flags: dict[str, Any]) -> dict[str, Any]:
    """Return the flags, with a base that was typed in place of the default ones of the folder."""
    if any(map(was_typed, _BASES)):
        flags = without_defaults(flags, *_BASES)
    return flags if flags["baseline"] else without_defaults(flags, "save_baseline")


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _checking_file(junit: Path | None, force: bool, listener: Listener) -> Listener:
    """Return a listener that also makes sure, before hours of work, that the file can be written.

    The file may be in the folder that the store has just created, so this waits for the plan.
    """

    def listen(event: Event) -> None:
        if junit is not None and isinstance(event, CheckPlanned):
            check_writable(junit, MARK, "--junit", force=force)
        listener(event)

    return listen
