"""The sentences of a comparison: what is worse and by how much, remedies, and the closing line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dctbench.analysis.budgets import QUANTITIES
from dctbench.catalog import ACCURACY
from dctbench.compare import CONTROL, ComparisonOutcome, Difference
from dctbench.compare.check_settings import CheckSettings, read_check_settings
from dctbench.compare.detectability import Detectability, Sensitivity
from dctbench.compare.exact import STATUS
from dctbench.compare.judgement import LATENCY
from dctbench.model import REGRESSIONS, UNDECIDED, Case, Reason, ReasonCode, Run, Verdict, VerdictKind
from dctbench.stats.binomial import trials_for
from dctbench.text.format import format_ratio, listed, pluralize
from dctbench.text.quantity import RELATIVE_ERROR
from dctbench.text.sanitize import sanitize_text
from dctbench.wording import verdict_numbers
from dctbench.wording.labels import Labels
from dctbench.wording.reasons import reason_line
from dctbench.wording.verdict_cells import Relevant, VerdictRow, labels_of

_USES = {
    "flops": "computes {head} where base computes {base}",
    "memory.tensor": "allocates {head} of tensors where base allocates {base}",
    "memory.state": "keeps {head} of parameters and tables where base keeps {base}",
    "error.smooth": "has a relative error of {head} on the smooth input, {base} in base",
    "error.noise": "has a relative error of {head} on the noise input, {base} in base",
    "error.input": "has a relative error of {head} on its input, {base} in base",
    "accuracy": "reaches an accuracy of {head} where base reaches {base}",
}
_BUDGETS = {
    "latency_p99": "the p99 latency of its processes",
    "memory": "its memory",
    "memory_process": "its process memory",
    "error_smooth": "its error on the smooth input",
    "error_noise": "its error on the noise input",
    "error_input": "its error on its input",
    "miss_rate": "the upper bound of its miss rate",
}
_BUDGET_REMEDIES = {
    "latency_p99": (
        f"a p99 takes {trials_for(0.01)} samples of head, {trials_for(0.01, 0.99)} at 99% confidence: hold the budget "
        "against fewer cases with --at"
    ),
    "miss_rate": "a miss rate takes calls on a schedule: add --period 20ms --deadline 10ms",
}
"""What would make a verdict possible on a budget whose value was not measured."""
_IN_TURN = "in turn with dctbench check --base-python"
_ANOTHER = f"name a second run of base with another --baseline, or measure {_IN_TURN}"
_FURTHER = f"name further runs of base with --baseline, or measure {_IN_TURN}"
_SINGLE_RUNS = (
    "two runs of the same code can differ by more than their processes show: before a change is blamed on the code, "
    f"measure both {_IN_TURN}"
)
_DISTURBED = 1.05
"""A raw change that differs from the change against the reference by this factor is mentioned."""


def regressions(rows: Sequence[VerdictRow], labels: Labels) -> list[str]:
    """Return a sentence for each row that fails a check, in their order."""
    return [sentence(row.verdict, labels) for row in rows if row.verdict.kind in REGRESSIONS]


def remarks(rows: Sequence[VerdictRow], labels: Labels) -> list[str]:
    """Return the reasons of other rows whose figures do not explain themselves."""
    grave = REGRESSIONS | UNDECIDED
    return [
        f"{case_at_place(row.verdict, labels)}: {row.reason}"
        for row in rows
        if row.reason and row.has_figures and row.verdict.kind not in grave
    ]


def sentence(verdict: Verdict, labels: Labels) -> str:
    """`dct-x r=8 at n = 1024 takes 1.42x (1.37-1.48) the time of base (2.31 ms -> 3.28 ms)`."""
    name = case_at_place(verdict, labels)
    if verdict.kind is VerdictKind.OVER_BUDGET:
        return f"{name}: {_over(verdict)}"
    if verdict.kind is VerdictKind.WORSE:
        return f"{name} {_worse(verdict)}"
    if verdict.kind is VerdictKind.SLOWER:
        base, head = verdict_numbers.both(verdict)
        return (
            f"{name} takes {verdict_numbers.change(verdict)} the time of base ({base} -> {head}){_undisturbed(verdict)}"
        )
    return f"{name}: {reason_line(verdict.reason)}"


def _over(verdict: Verdict) -> str:
    """`its memory is 80.0 MiB, over the limit of 64.0 MiB`."""
    assert verdict.head is not None
    assert verdict.tolerance is not None
    assert verdict.budget is not None
    amount, limit = QUANTITIES[verdict.budget].format_apart(verdict.head, verdict.tolerance)
    text = f"{_BUDGETS[verdict.budget]} is {amount}, over the limit of {limit}"
    return f"{text} ({reason_line(verdict.reason)})" if verdict.reason else text


def _worse(verdict: Verdict) -> str:
    """Counted values are written to the last byte or FLOP, since a difference of one fails."""
    assert verdict.base is not None
    assert verdict.head is not None
    if verdict_numbers.quantity(verdict) is RELATIVE_ERROR:
        base, head = verdict_numbers.both(verdict)
        return _USES[verdict.metric].format(base=base, head=head)
    base, head = (verdict_numbers.exact_amount(verdict, value) for value in (verdict.base, verdict.head))
    return f"{_USES[verdict.metric].format(base=base, head=head)} ({verdict_numbers.change(verdict)})"


def case_at_place(verdict: Verdict, labels: Labels) -> str:
    """`dct-x r=8 at n = 1024`, with the axes that distinguish the case from the others."""
    return f"{verdict.case.name} at {labels.place(verdict.case)}"


def _undisturbed(verdict: Verdict) -> str:
    """Return the raw change where it differs from the change against the reference."""
    assert verdict.effect is not None
    if verdict.raw is None or 1 / _DISTURBED < verdict.raw / verdict.effect < _DISTURBED:
        return ""
    return f"; raw {format_ratio(verdict.raw)}, of which the references' drift was taken out"


def remedies(outcome: ComparisonOutcome) -> list[str]:
    """Return what cannot be judged, grouped by kind and reason, each with the number of cases and a remedy.

    Warnings about the whole check come first.
    """
    labels = labels_of(outcome)
    met: dict[tuple[VerdictKind, str, str], list[Verdict]] = {}
    for verdict in outcome.judgement.verdicts:
        if verdict.kind in UNDECIDED:
            alike = "" if verdict.metric == STATUS else _metric_and_reason(verdict)
            met.setdefault((verdict.kind, alike, remedy(verdict, outcome)), []).append(verdict)
    lines = warnings(outcome)
    for (kind, _, advice), verdicts in met.items():
        first = case_at_place(verdicts[0], labels)
        where = first if len(verdicts) == 1 else f"{len(verdicts)} cases, such as {first}"
        line = f"{kind.value}, {where}: {_metric_and_reason(verdicts[0])}"
        lines.append(f"{line}; {advice}" if advice else line)
    return lines


def warnings(outcome: ComparisonOutcome) -> list[str]:
    """Return warnings about the check as a whole, each with a remedy."""
    check = _check(outcome)
    found = [_line(text) for text in check.warnings] if check else []
    judgement = outcome.judgement
    found += [_advisory(judgement.advisory, outcome)] if judgement.advisory else []
    found += [_SINGLE_RUNS] if _rests_on_single_runs(outcome) else []
    found += [cannot_fail(judgement.blind)] if judgement.blind else []
    found += [not_seen(judgement.sensitivity)] if judgement.sensitivity else []
    found += [_launch_bound(judgement.launch_bound, labels_of(outcome))] if judgement.launch_bound else []
    return found + ([_replanned(judgement.replanned, labels_of(outcome))] if judgement.replanned else [])


def _rests_on_single_runs(outcome: ComparisonOutcome) -> bool:
    """Whether two stored runs that no check joins differ in a latency."""
    changed = (VerdictKind.SLOWER, VerdictKind.FASTER)
    return (
        outcome.informs
        and _check(outcome) is None
        and any(verdict.kind in changed for verdict in outcome.judgement.verdicts)
    )


def _advisory(cases: Sequence[Case], outcome: ComparisonOutcome) -> str:
    """Say of which cases no slowdown can be called SLOWER, why, and the remedy; without a full stop."""
    if not outcome.further:
        return (
            "latencies are advisory: one stored run does not show how much runs of the same code differ, so none is "
            f"called SLOWER; {_ANOTHER}"
        )
    labels = labels_of(outcome)
    first = labels.case(cases[0])
    if len(cases) == 1:
        text = f"the latency of {first} is advisory: no second run of base has it with its reference, so it"
        return f"{text} is not called SLOWER; {_FURTHER}"
    text = f"the latencies of {len(cases)} cases, such as {first}, are advisory: no second run of base has them with "
    return f"{text}their reference, so none of them is called SLOWER; {_FURTHER}"


def _replanned(plans: Mapping[Case, tuple[str, str]], labels: Labels) -> str:
    """Say which transforms head plans otherwise than base; without a full stop."""
    case, (before, now) = next(iter(plans.items()))
    such = "" if len(plans) == 1 else f"{pluralize(len(plans), 'case')}, such as "
    first = labels.case(case)
    return f"plan changed: {such}{first}: its transform is {before} in base, and {now} in head"


def _launch_bound(cases: Sequence[Case], labels: Labels) -> str:
    """Say which latencies are for a good part times of the host, and the remedy; without a full stop."""
    such = "" if len(cases) == 1 else f"{pluralize(len(cases), 'case')}, such as "
    first = labels.case(cases[0])
    return (
        f"launch-bound: {such}{first}: the GPU waits for the host, so a slower kernel may not show in the latency; "
        "--engine cudagraph judges the GPU"
    )


def not_seen(found: Sensitivity) -> str:
    """Say which change a comparison with stored runs could not have shown, and the remedy; without a full stop."""
    change = f"a change under {format_ratio(found.factor)} of a typical case could not be told from noise"
    if found.runs > 1:  # how much they differ decides, which no number of processes makes less
        return f"{change} with {found.runs} runs of base; {_FURTHER}"
    processes = f"{found.base}" if found.base == found.head else f"{found.base} and {found.head}"
    return f"{change} with {processes} processes per side; measure both runs with more --rounds, or {_IN_TURN}"


def cannot_fail(found: Detectability) -> str:
    """Say that no slowdown could be proven, why, and what would be enough; without a full stop."""
    where, what = "", pluralize(found.most, "pair")
    remedies = [] if found.needed is None else [f"--max-pairs {found.needed}"]
    if found.base is not None:
        where = f" where the baseline has {found.base} of a case's processes"
        what = f"{found.most} of head beside them"
        remedies += [] if found.base_needed is None else [f"a baseline of --rounds {found.base_needed}"]
    remedy = f"{' or '.join(remedies)} can" if remedies else "judge fewer cases at a time"
    among = "" if found.cases == 1 else f" among {found.cases} cases"
    return f"no slowdown can be called SLOWER{where}, however large: {what} cannot prove it{among}; {remedy}"


def remedy(verdict: Verdict, outcome: ComparisonOutcome) -> str:
    """Return what would make that verdict possible; empty where a warning about the whole check says it already."""
    if verdict.metric == STATUS:
        return "fix it, or leave it out of the comparison"
    if verdict.metric == LATENCY:
        return _remedy_of_latency(verdict, outcome)
    if verdict.metric == ACCURACY:
        return _remedy_of_accuracy(verdict, outcome)
    if verdict.budget is not None:
        return _BUDGET_REMEDIES.get(verdict.budget, "name with --at the cases that the budget is meant for")
    if verdict.base is None or verdict.head is None:
        return "measure both sides with one version of dctbench"
    return "compare on one machine: dctbench check --base-python"


def _remedy_of_latency(verdict: Verdict, outcome: ComparisonOutcome) -> str:
    code = verdict.reason.code if verdict.reason else None
    if verdict.kind is VerdictKind.INCONCLUSIVE:
        return _remedy_of_doubt(code, outcome)
    if code is ReasonCode.BASE_FAILED_SOMETIMES:
        return "fix base or choose another: its latencies come only from the processes that did not fail"
    if code is ReasonCode.NO_REFERENCE:
        return f"measure {outcome.rules.reference} at that shape on both sides, or name another with --reference"
    return "measure both sides here and now: dctbench check --base-python or --base-impl"


def _remedy_of_doubt(code: ReasonCode | None, outcome: ComparisonOutcome) -> str:
    """Return what would decide a latency; empty where `_advisory` says it."""
    if code is ReasonCode.RUN_TO_RUN:
        return ""
    if code is ReasonCode.MAY_BE_DRIFT and outcome.rules.reference != CONTROL:
        return f"measure {CONTROL} beside it in both runs, or measure both {_IN_TURN}"
    if outcome.informs:
        return f"measure both runs again with more --rounds, or {_IN_TURN}"
    if _beside_stored_runs(outcome):
        return _FURTHER if outcome.further else _ANOTHER
    return f"allow more processes than --max-pairs {outcome.rules.max_pairs}, or measure where less else runs"


def _remedy_of_accuracy(verdict: Verdict, outcome: ComparisonOutcome) -> str:
    """Return what would make a verdict on accuracy possible: more seeds, on each side that was trained before."""
    if verdict.reason == Reason(ReasonCode.OTHER_STEPS):
        return "train both sides with one version of the task"
    if outcome.informs:
        return "train more seeds in both runs with --rounds, the same seeds in each"
    if _beside_stored_runs(outcome):
        return "train a baseline of more seeds with dctbench run --rounds, and allow as many with --max-pairs"
    return f"allow more seeds than --max-pairs {outcome.rules.max_pairs}"


def left_out(found: Relevant) -> str | None:
    """Return how much a table leaves out; None if it holds everything."""
    parts = []
    if found.hidden_cases:
        parts.append(f"{pluralize(found.hidden_cases, 'case')} without a change")
    if found.hidden_verdicts:
        parts.append(f"{pluralize(found.hidden_verdicts, 'unchanged figure')} of the cases above")
    return f"not shown: {' and '.join(parts)} (--all shows them)" if parts else None


def nothing_changed(outcome: ComparisonOutcome) -> str:
    """Return the text for a comparison without any row to show."""
    verdicts = outcome.judgement.verdicts
    if not verdicts:
        return "Nothing was compared: there is no case to judge."
    cases = pluralize(len({verdict.case for verdict in verdicts}), "case")
    return f"Nothing changed beyond its tolerance: {cases}, {pluralize(len(verdicts), 'figure')}."


def differences(found: Sequence[Difference]) -> list[str]:
    """`torch 2.12.0 -> 2.13.0`, fact by fact."""
    return [_line(f"{one.fact} {one.base} -> {one.head}") for one in found]


def sides(outcome: ComparisonOutcome) -> list[str]:
    """Return which runs are base and which is head, and the method that stands in for every base, if there is one."""
    check = _check(outcome)
    method = check.instead if check else None
    instead = f"{_line(method)} at each shape, " if method else ""
    bases = [f"base: {instead}{run_words(outcome.base)}", *(f"base: {run_words(run)}" for run in outcome.further)]
    return [*bases, f"head: {run_words(outcome.head)}"]


def _check(outcome: ComparisonOutcome) -> CheckSettings | None:
    """Return the settings of the check that compared both runs; None if no check did."""
    found = read_check_settings(outcome.head)
    return found if found and found.base == outcome.base.id else None


def _beside_stored_runs(outcome: ComparisonOutcome) -> bool:
    """Whether a check has measured head alone."""
    check = _check(outcome)
    return check is not None and not check.in_turns


def run_words(run: Run) -> str:
    """`main, run 01234567 of 2026-01-02 03:04 UTC, dctbench 0.1.0`."""
    label = f"{run.label}, " if run.label else ""
    when = f"{run.started_at[:16].replace('T', ' ')} UTC"
    return _line(f"{label}run {run.short_id} of {when}, dctbench {run.dctbench_version}")


def closing(outcome: ComparisonOutcome) -> str:
    """Return a sentence on what the exit code means."""
    kinds = {verdict.kind for verdict in outcome.judgement.verdicts}
    code = outcome.exit_code
    if code == 1:
        why = "head is worse than base" if kinds & REGRESSIONS else "some cases are undecided (--inconclusive fail)"
        if kinds & REGRESSIONS == {VerdictKind.OVER_BUDGET}:
            why = "head is over its budget"
        elif kinds & REGRESSIONS == {VerdictKind.MISSING}:
            why = "cases of base are missing in head"
    elif code == 0:
        if outcome.informs:
            why = "two stored runs were compared; only dctbench check fails on what is worse"
        elif kinds & UNDECIDED:
            why = "nothing is known to be worse (--inconclusive pass)"
        else:
            why = "nothing is worse than base"
    else:
        why = f"cannot judge: {_causes(outcome)}"
    return f"exit {code}: {why}"


def _causes(outcome: ComparisonOutcome) -> str:
    """Return why there is no verdict. Some causes remain whatever --inconclusive says."""
    judgement = outcome.judgement
    kinds = {verdict.kind for verdict in judgement.verdicts}
    if not kinds & UNDECIDED:
        return "there is nothing to compare with"
    found = ["some cases are incomparable"] if VerdictKind.INCOMPARABLE in kinds else []
    unprovable = judgement.unprovable
    found += ["no slowdown could be proven"] if LATENCY in unprovable else []
    found += ["there are too few seeds"] if ACCURACY in unprovable else []
    found += ["some cases are undecided"] if VerdictKind.INCONCLUSIVE in kinds and not unprovable else []
    return listed(found)


def _metric_and_reason(verdict: Verdict) -> str:
    reason = reason_line(verdict.reason)
    return reason if verdict.metric == STATUS else f"{verdict.metric}, {reason}"


def _line(text: str) -> str:
    return " ".join(sanitize_text(text).split())
