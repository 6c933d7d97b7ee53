"""Measure the same code against itself (A/A), in turns as a gate does: how far do its two sides differ here?"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from dctbench import errors
from dctbench.app.check import paired_runner
from dctbench.app.clocks import tell_of_clocks
from dctbench.app.new_run import new_run
from dctbench.app.requests import NoiseRequest
from dctbench.compare import Rules
from dctbench.compare.check_settings import Against, check_settings
from dctbench.compare.noise import Noise, noise
from dctbench.model import Result
from dctbench.scheduler import pairs
from dctbench.scheduler.events import CheckPlanned, Listener, Notice, SideName, ignore
from dctbench.scheduler.plan import Plan, make_plan
from dctbench.scheduler.specs import Specs
from dctbench.spec import suites
from dctbench.spec.axes import AxisValues
from dctbench.store import open_for_run, results_of_machine


@dataclass(frozen=True, slots=True)
class NoiseOutcome:
    """The results of both sides, which are stored as two runs, and the noise that follows from them."""

    results: Sequence[Result]
    noise: Noise

    @property
    def exit_code(self) -> int:
        """4 when some cases ended in error or timeout, else 0."""
        failed = any(result.status in ("error", "timeout") for result in self.results)
        return errors.EXIT_CASES_FAILED if failed else errors.EXIT_OK


def measure_noise(request: NoiseRequest, listener: Listener = ignore) -> NoiseOutcome:
    """Measure the suite `noise` in pairs of processes of the same code. Nothing is printed.

    Raises:
        CannotJudgeError: when too few pairs were measured.
        StoreError: when the store cannot be written.
        InterruptedRunError: in place of KeyboardInterrupt; what was measured is stored.
    """
    suite = suites.load(suites.NOISE)
    rounds = request.rounds or suite.settings.rounds
    suite = suites.override(suite, AxisValues(), rounds=rounds, prune=False)
    with ExitStack() as stack:
        base, head = (stack.enter_context(paired_runner(suite, listener)) for _ in range(2))
        plan = make_plan(suite, head, results_of_machine(request.store, head.environment.fingerprint))
        store = stack.enter_context(open_for_run(request.store, lambda text: listener(Notice(text)), create=True))
        rules = Rules(pairs=rounds, max_pairs=rounds)
        asked = list(suite.axes["impl"])
        sides: list[pairs.Side] = []
        for name, runner in (("base", base), ("head", head)):
            against: Against = {"base": sides[0].run.id, "base_impl": None} if sides else {"base_impl": None}
            check = check_settings("head" if sides else "base", asked, rules, **against)
            settings = replace(suite.settings, check=check)
            run = new_run(suite.name, settings, suite.name if sides else f"{suite.name} ({name})", request.command)
            store.add_run(run, plan.cases, rounds)
            store.add_environment(run.id, runner.environment)
            specs = Specs({}, store.calibrations(runner.environment.fingerprint))
            sides.append(pairs.Side(run, runner, store, specs))
        tell_of_clocks(store, sides[1].run, listener)
        both: dict[SideName, Plan] = {"base": plan, "head": plan}
        listener(CheckPlanned(sides[1].run, both, plan.cases, rules, head.environment, store.name))
        try:
            pairs.repeat_pairs(sides[0], sides[1], plan.cases, rounds, listener)
        except KeyboardInterrupt:
            raise errors.InterruptedRunError(
                f"interrupted: what was measured is stored in {store.name}", hint="start it again: dctbench noise"
            ) from None
    found = noise(*(side.summaries.values() for side in sides))
    if found is None:
        raise errors.CannotJudgeError(
            "too few pairs were measured to estimate the noise", hint="see dctbench list cases"
        )
    return NoiseOutcome([result for side in sides for result in side.results], found)
