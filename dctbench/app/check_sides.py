"""Measure the sides of a check: base and head in pairs, or head alone against a stored run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from dctbench import __version__, catalog, errors
from dctbench.app.check_plan import CheckPlan
from dctbench.app.clocks import tell_of_clocks
from dctbench.app.new_run import new_run
from dctbench.app.requests import CheckRequest
from dctbench.compare import ComparisonOutcome, Judgement, differences, incomparable_because
from dctbench.compare.check_settings import Against, check_settings
from dctbench.model import Case, Environment, Reason, Run
from dctbench.runners.local import LocalRunner
from dctbench.runs.lookup import RecordedRun
from dctbench.scheduler import pairs
from dctbench.scheduler.events import CheckPlanned, Listener, Notice, SideName
from dctbench.scheduler.specs import Specs
from dctbench.text.sanitize import sanitize_text

if TYPE_CHECKING:
    from dctbench.store import Store


def measure_pairs(
    plan: CheckPlan, request: CheckRequest, base: LocalRunner, head: LocalRunner, store: Store, listener: Listener
) -> ComparisonOutcome:
    """Measure pairs of processes, base and head in turns, until every verdict is reached."""
    name = request.base_impl
    lacking, warnings = inspect_base(plan, request, base, head, listener)
    planned = plan.in_pairs(lacking).sides
    base_run = _run(plan, request, "base", base, base_impl=name)
    head_run = _run(plan, request, "head", head, warnings, base=base_run.id, base_impl=name)
    specs = Specs(plan.sampling(lacking), store.calibrations(head.environment.fingerprint))
    tell_of_clocks(store, head_run, listener)
    listener(CheckPlanned(head_run, planned, plan.judged, plan.rules, head.environment, store.name))
    sides = (
        _side(plan, base_run, base, planned["base"].cases, store, specs),
        _side(plan, head_run, head, planned["head"].cases, store, specs),
    )
    judgement = pairs.check_pairs(*sides, plan.counterparts, plan.beside, lacking, plan.rules, listener)
    return _outcome(plan, request, base_run, head_run, judgement, [base.environment], head)


def measure_head(
    plan: CheckPlan,
    request: CheckRequest,
    baselines: Sequence[RecordedRun],
    head: LocalRunner,
    store: Store,
    listener: Listener,
) -> ComparisonOutcome:
    """Measure processes of head beside those of a stored run, until every verdict is reached.

    Further baselines show how much runs of the same code differ.
    """
    baseline, *further = baselines
    run, because = run_of_head(plan, request, baselines, head)
    planned = plan.beside_stored(baseline.summaries, comparable=because is None).sides
    known = {*plan.plan.cases, *baseline.longer}  # no other run need have a longer training that base added
    sampling = plan.sampling(frozenset(plan.judged) if because else plan.untimed(baseline.summaries))
    tell_of_clocks(store, run, listener)
    listener(CheckPlanned(run, planned, plan.judged, plan.rules, head.environment, store.name))
    specs = Specs(sampling, store.calibrations(head.environment.fingerprint))
    side = _side(plan, run, head, planned["head"].cases, store, specs)
    judgement = pairs.check_stored(
        side,
        baseline.summaries,
        plan.judged,
        plan.beside,
        [summary.case for summary in baseline.summaries if summary.case not in known],
        because,
        plan.rules,
        listener,
        [run.summaries for run in further],
    )
    found = _outcome(plan, request, baseline.run, run, judgement, list(baseline.environments.values()), head)
    return replace(found, further=tuple(one.run for one in further))


def _outcome(
    plan: CheckPlan,
    request: CheckRequest,
    base: Run,
    head: Run,
    judgement: Judgement,
    base_environments: Sequence[Environment],
    runner: LocalRunner,
) -> ComparisonOutcome:
    code = judgement.exit_code(request.inconclusive)
    return ComparisonOutcome(
        base, head, judgement, plan.rules, differences(base_environments, [runner.environment]), code
    )


def run_of_head(
    plan: CheckPlan, request: CheckRequest, baselines: Sequence[RecordedRun], head: LocalRunner
) -> tuple[Run, Reason | None]:
    """Return a new run of head, and why no latency of it compares with those of the first baseline, if so."""
    baseline, *further = baselines
    run = _run(plan, request, "head", head, base=baseline.run.id, further=tuple(one.run.id for one in further))
    return run, incomparable_because(baseline.run, run)


def inspect_base(
    plan: CheckPlan, request: CheckRequest, base: LocalRunner, head: LocalRunner, listener: Listener
) -> tuple[frozenset[Case], list[str]]:
    """Return the cases whose implementation base does not know, which are NEW, and warnings about shared code.

    If an implementation cannot be loaded for another reason, measuring it in base stores that failure. With --base-impl
    both sides are the same code.
    """
    if request.base_impl is not None:
        return frozenset(), []
    lacking, sources = set(), dict[str, str]()
    for name in dict.fromkeys(case.implementation for case in plan.judged):
        try:
            sources |= base.describe([name], ()).sources
        except errors.AbsentError:
            lacking.add(name)
        except errors.UsageError:
            continue
    remedy = "install the base version there, not in editable mode"
    warnings = [f"{sanitize_text(text)}; {remedy}" for text in _shared_code(base, head, sources)]
    for warning in warnings:
        listener(Notice(f"warning: {warning}"))
    return frozenset(case for case in plan.judged if case.implementation in lacking), warnings


def _shared_code(base: LocalRunner, head: LocalRunner, sources: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for code that base imports from the files of head, since a gate on it cannot fail."""
    if base.package == head.package and any(name in catalog.IMPLEMENTATIONS for name in sources):
        yield f"--base-python imports the same dctbench as head, from {base.package}: nothing can differ"
    own = {name: path for name, path in sources.items() if name not in catalog.IMPLEMENTATIONS}
    for name, path in head.describe(list(own), ()).sources.items() if own else ():
        if path == own[name]:
            yield f"--base-python imports {name} from the same file as head, {path}: it cannot differ"


def _run(
    plan: CheckPlan,
    request: CheckRequest,
    side: SideName,
    runner: LocalRunner,
    warnings: Sequence[str] = (),
    **against: Unpack[Against],
) -> Run:
    asked = list(dict.fromkeys(case.implementation for case in plan.judged))
    label = request.label or "check"
    settings = replace(plan.suite.settings, check=check_settings(side, asked, plan.rules, warnings, **against))
    version = __version__ if side == "head" else runner.version or "unknown"
    label = label if side == "head" else f"{label} (base)"
    return new_run(plan.suite.name, settings, label, request.command, version)


def _side(
    plan: CheckPlan, run: Run, runner: LocalRunner, cases: Sequence[Case], store: Store, specs: Specs
) -> pairs.Side:
    """Store the run of a side. Both sides get the specs of head, so that they use the same transform plans."""
    store.add_run(run, cases, plan.rules.pairs)
    store.add_environment(run.id, runner.environment)
    return pairs.Side(run, runner, store, specs)
