"""How each case of a run is measured: sampling by case, ceilings and planner rates by device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dctbench.machine.calibration import Calibration
from dctbench.model import Case
from dctbench.runners import MeasureSpec
from dctbench.scheduler.pace import Pace


@dataclass(frozen=True, slots=True)
class Specs:
    """Makes the `MeasureSpec` of every case and round.

    Attributes:
        sampling: settings of the sampling by case id, for the cases whose sampling differs from the runner's.
        pace: of the processes of a run, by round; None where the runner's settings hold in every round.
        budgets: seconds of sampling by case id and round, where the whole run has a budget.
        calibrations: what the machine can do at most, by device. At several places, each has those of its machine.
    """

    sampling: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    pace: Pace | None = None
    budgets: Mapping[tuple[str, int], float] = field(default_factory=dict)

    def of(self, case: Case, round: int) -> MeasureSpec:
        """How that case is measured in that round."""
        sampling = dict(self.pace.sampling(round) if self.pace else {})
        if (case.id, round) in self.budgets:
            sampling["budget"] = self.budgets[case.id, round]
        return MeasureSpec(round, {**sampling, **self.sampling.get(case.id, {})}, self.rates(case))

    def rates(self, case: Case) -> Mapping[str, float] | None:
        """The planner's rates with as many threads as the case has; None for those that are shipped."""
        calibration = self.calibrations.get(case.device)
        if calibration is None or case.threads not in (None, calibration.threads):
            return None
        return calibration.rates(case.dtype)
