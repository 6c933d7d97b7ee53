"""`dctbench choose`: which attention to ship at a length within budgets, in a sentence, from stored results."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from dctbench import analysis, catalog, errors
from dctbench.analysis import Budgets, Choice, Ranking, Summary
from dctbench.cli.commands.run import PROGRESS
from dctbench.cli.options.budgets import budget_options, budgets_of
from dctbench.cli.options.click_ext import CONTEXT, Command, Flag, format_option, store_option, version_option
from dctbench.spec import suites
from dctbench.spec.axes import words as axis_words
from dctbench.spec.grid import SEQ_LEN, parse_axis
from dctbench.stats.robust import P99_SAMPLES

if TYPE_CHECKING:
    from dctbench.model import Case, Run
    from dctbench.runs.lookup import RecordedRun
    from dctbench.store import Store
    from dctbench.wording.labels import Labels

_WHAT = "What to decide"
_FILTERS = ("device", "dtype", "scope", "mode")


@click.command(
    "choose",
    cls=Command,
    context_settings=CONTEXT,
    examples=(
        "dctbench choose --seq 4096 --max-memory 64MiB",
        "dctbench choose --seq 6000 --max-error 5% --measure",
    ),
)
@click.argument("run", default="", metavar="[RUN]")
@click.option("--seq", cls=Flag, section=_WHAT, required=True, metavar="N", help="The sequence length to decide for.")
@click.option("--device", cls=Flag, section=_WHAT, metavar="NAME", help="Only results of this device.")
@click.option("--dtype", cls=Flag, section=_WHAT, metavar="NAME", help="Only results of this dtype.")
@click.option("--scope", cls=Flag, section=_WHAT, metavar="NAME", help="Only results of this scope.")
@click.option("--mode", cls=Flag, section=_WHAT, metavar="NAME", help="Only results of this mode.")
@click.option("--reference", cls=Flag, section=_WHAT, metavar="IMPL", help="What ratios are taken against.")
@budget_options
@click.option("--measure", cls=Flag, section=_WHAT, is_flag=True, help="Measure this length now, and answer from it.")
@click.option("--progress", cls=Flag, section=_WHAT, type=click.Choice(PROGRESS), default="auto", show_default=True,
              help="How progress is shown with --measure.")  # fmt: skip
@store_option
@format_option
@version_option
def command(run: str, seq: str, measure: bool, store: str, output_format: str, **flags: Any) -> int:
    """Say which attention to ship at a length, within budgets, and what that rests on.

    By default the latest run that measured the length by itself answers, before any that took turns with a base. Exit 3
    when no method can be named.

    RUN is an id or the start of one, latest, latest~1, a label, a baseline's name, or an exported file.
    """
    length = _one_length(seq)
    budgets = budgets_of(flags)
    wanted = {key: value for key in _FILTERS if (value := _filter(key, flags[key])) is not None}
    if not measure:
        found = _recorded(store, run, length, wanted)
        return _answer(found, length, wanted, budgets, flags["reference"], output_format)
    if run:
        raise errors.UsageError("--measure makes a new run", hint="leave out RUN, or --measure")
    from dctbench.app import run as sweeping
    from dctbench.runs.lookup import known_reference, recorded

    axes: dict[str, list[Any]] = {"seq": [length], **{key: [value] for key, value in wanted.items()}}
    samples = None if budgets.latency_p99 is None else P99_SAMPLES
    plan = suites.override(quick := suites.load("quick"), axes, replace(quick.settings, samples=samples))
    if flags["reference"] is not None:  # before minutes of measuring, not after them
        names = plan.axes["impl"]
        ratios = {name: plan.axes["ratio"] if catalog.implementation(name).uses_ratio else [None] for name in names}
        known_reference(flags["reference"], ((name, ratio) for name in names for ratio in ratios[name]))
    answers = []
    shown = {"label": None, "dry_run": False, "quiet": False, "store": store, "progress": flags["progress"],
             "output_format": output_format}  # fmt: skip

    def answer(opened: Store, made: Run) -> None:
        measured = recorded(opened, made)
        answers.append(_answer(measured, length, wanted, budgets, flags["reference"], output_format))

    code = sweeping.start(plan, shown, present=answer)
    return code or (answers[0] if answers else code)


def _one_length(text: str) -> int:
    values = parse_axis(text, SEQ_LEN)
    if len(values) != 1:
        raise errors.UsageError(f"--seq {text!r}: one length is decided at a time", hint="such as --seq 4096")
    return int(values[0])


def _filter(key: str, text: str | None) -> str | None:
    if text is None:
        return None
    values = axis_words(key, [text])
    if len(values) != 1:
        raise errors.UsageError(f"--{key} {text!r}: one is decided for at a time", hint=f"such as --{key} {values[0]}")
    return values[0]


def _recorded(store: str, run: str, length: int, wanted: dict[str, str]) -> RecordedRun:
    """The run that was named, else the latest that timed a method at the length, else the latest that measured; of the
    latest, one by itself before one in turns, which answers where there is no other.
    """
    from dctbench.compare.check_settings import in_turns
    from dctbench.runs.lookup import resolve
    from dctbench.store import open_store

    if run:
        return resolve(store, run)
    with open_store(store) as opened:
        # A run of `noise` measures two methods again and again, to learn about the machine and not about them.
        runs = [state.run for state in reversed(opened.runs()) if state.stored and state.run.suite != "noise"]
        ids = [run.id for run in sorted(runs, key=in_turns)]
        planned = [i for i in ids if any(_matches(case, length, wanted) for case in opened.plan(i)[0])]
    for one in planned:
        found = resolve(store, one)
        if analysis.rankings([s for s in found.summaries if _matches(s.case, length, wanted)], None):
            return found
    return resolve(store, ids[0] if ids else "latest")


def _matches(case: Case, length: int | None, wanted: dict[str, str]) -> bool:
    return (length is None or case.seq_len == length) and all(getattr(case, k) == v for k, v in wanted.items())


def _answer(
    found: RecordedRun, length: int, wanted: dict[str, str], budgets: Budgets, reference: str | None, output_format: str
) -> int:
    from dctbench.wording import recommendation as words
    from dctbench.wording.labels import Labels

    summaries = [s for s in found.summaries if _matches(s.case, None, wanted)]
    reference = found.reference(reference) if reference else analysis.default_reference(s.case for s in summaries)
    here = [s for s in summaries if s.case.seq_len == length]
    rankings = analysis.rankings(here, reference)
    if not rankings:
        lengths = sorted({s.case.seq_len for s in summaries if s.latency})
        if not lengths:
            raise errors.CannotJudgeError(
                f"run {found.run.short_id} measured nothing of what was asked for", hint=_measuring()
            )
        failed = ", ".join(f"{s.case.name} {s.status}" for s in here)
        raise errors.CannotJudgeError(
            f"run {found.run.short_id}: at n = {length} no method was timed ({failed})"
            if here
            else f"run {found.run.short_id}: {words.around(length, lengths)}",
            hint=_measuring(),
        )
    labels = Labels(s.case for s in here)
    answers = [(ranking, analysis.choose(ranking, budgets)) for ranking in rankings]
    planned = sum(_matches(case, length, wanted) for case in found.plan)
    _print(found, answers, budgets, labels, _basis(found, here, planned), output_format)
    return errors.EXIT_OK if all(choice.within for _, choice in answers) else errors.CannotJudgeError.exit_code


def _measuring() -> str:
    """The command that measures what was asked for: the flags that were typed, without the run that lacks it.

    What has just been measured in vain is looked at, not measured again.
    """
    from dctbench.store import masked

    context = click.get_current_context()
    if context.params["measure"]:
        return "see dctbench list cases"
    words = ["dctbench", "choose"]
    for option in context.command.params:
        assert option.name is not None
        typed = context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
        if typed and isinstance(option, click.Option):
            given = context.params[option.name]
            for value in given if option.multiple else [given]:
                words += [option.opts[0], masked(str(value))]
    return f"measure it: {shlex.join([*words, '--measure'])}"


def _print(
    found: RecordedRun,
    answers: Sequence[tuple[Ranking, Choice]],
    budgets: Budgets,
    labels: Labels,
    basis: str,
    output_format: str,
) -> None:
    from dctbench.cli.tables.records import print_records
    from dctbench.cli.terminal.files import print_document
    from dctbench.cli.terminal.wrap import print_sentences
    from dctbench.exporters.json_document import dumps
    from dctbench.wording import recommendation as words

    if output_format == "json":
        print_document(dumps({"run": found.run.id, "answers": [_entry(*one, budgets, labels) for one in answers]}))
        return
    if output_format == "csv":
        print_records([record for one in answers for record in _records(*one)], "csv")
        return
    for number, (ranking, choice) in enumerate(answers, 1):
        verdict, remarks = words.verdict(ranking, choice, budgets, labels), words.remarks(ranking, choice, budgets)
        remarks = [*remarks, basis] if number == len(answers) else remarks
        if output_format == "md":
            print_document("".join(f"{line}\n" for line in (verdict, "", *(f"- {remark}" for remark in remarks))))
        else:
            print_sentences([verdict])
            print_sentences(remarks, "  ")


def _basis(found: RecordedRun, here: Sequence[Summary], planned: int) -> str:
    """Which run the answer rests on, how much of what it planned for this question is there, and how well known."""
    from dctbench.compare.check_settings import in_turns
    from dctbench.wording.summary import coverage, trust

    label = f" ({found.run.label})" if found.run.label else ""
    run = f"run {found.run.short_id}{label} of {found.run.started_at[:10]}"
    turned = "; in turns with another process, where a method may take longer than by itself"
    return f"rests on {run}: {coverage(here, planned)}; {trust(here)}{turned if in_turns(found.run) else ''}"


def _records(ranking: Ranking, choice: Choice) -> list[dict[str, Any]]:
    said = {s.case: "within" for s in choice.within} | {s.case: "leader" for s in choice.leaders}
    said |= {s.case: "over" for s, _ in choice.over} | {s.case: "not measured" for s, _ in choice.unmeasured}
    return [
        {
            "verdict": said[s.case],
            "case_id": s.case.id,
            "case": s.case.to_json(),
            "latency": s.latency.value if s.latency else None,
            "p99_high": s.p99.high if s.p99 else None,
            "memory": s.memory,
            "error.smooth": s.values.get("error.smooth"),
            "error.noise": s.values.get("error.noise"),
        }
        for s in ranking.ranked
    ]


def _entry(ranking: Ranking, choice: Choice, budgets: Budgets, labels: Labels) -> dict[str, Any]:
    from dctbench.wording import recommendation as words

    return {
        "sentence": words.verdict(ranking, choice, budgets, labels),
        "remarks": words.remarks(ranking, choice, budgets),
        "budgets": budgets.given,
        "methods": _records(ranking, choice),
    }
