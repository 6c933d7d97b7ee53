"""How each case of a run is measured: sampling by case, ceilings and planner rates by device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dctbench.machine.calibration import Calibration
from dctbench.model import Case
from dctbench.runners import MeasureSpec


@dataclass(frozen=True, slots=True)
class Specs:
    """Makes the `MeasureSpec` of every case and round.

    Attributes:
        sampling: settings of the sampling by case id, for the cases whose sampling differs from the runner's.
        calibrations: what this machine can do at most, by device.
    """

    sampling: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)

    def of(self, case: Case, round: int) -> MeasureSpec:
        """How that case is measured in that round."""
        return MeasureSpec(round, self.sampling.get(case.id, {}), self.calibrations.get(case.device))
