"""The measured ceilings of a machine and the rates that the transform planner uses.

A calibration belongs to a fingerprint and a device. A worker measures it (`dctbench.worker.metrics.ceilings`), the
store keeps it, and the roofline, the check for implausible results and the planner use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from dctbench.model import JSON, digest

DTYPES = ("float32", "bfloat16", "float16", "float64")
"""The dtypes that are calibrated, in the order in which they are shown."""
DISTURBING_CORES = 0.5
"""If other processes used more cores than this, the calibration is not reliable."""


PLANNER_RATES = frozenset({"call", "gemm", "small_gemm", "fft", "bandwidth", "alignment"})
"""The fields of `dctbench.transforms.CostModel`."""
LATER_PLANNER_RATES = frozenset({"alignment"})
"""Those that calibrations of earlier versions lack."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The ceilings and rates of one device.

    Attributes:
        device: as cases name it, such as `cpu` or `cuda:0`.
        threads: the number of threads that torch used.
        gemm: FLOP/s of the best matrix product found, by dtype (multiply-add = 2).
        bandwidth: B/s, read and written, of a copy between buffers larger than the last-level cache.
        cache_bytes: the size of the last-level cache; less traffic than that need not reach the memory.
        cost_models: the planner's rates (PLANNER_RATES), by dtype.
        spread: the relative difference of the two best rounds, by ceiling (`gemm float32`, `copy`) and for the
            planner's shortest call (`planner float32`).
        others: the number of cores that other processes used meanwhile, on average.
        measured_at: UTC in ISO 8601.
    """

    device: str
    threads: int
    gemm: Mapping[str, float]
    bandwidth: float
    cache_bytes: int | None
    cost_models: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    spread: Mapping[str, float] = field(default_factory=dict)
    others: float = 0.0
    measured_at: str = ""

    def compute_ceiling(self, dtype: str) -> float | None:
        """FLOP/s of matrix products of this dtype, or of a wider dtype if those are faster.

        A CPU without float16 arithmetic multiplies float16 slower than float32, and every kernel may convert. The
        ceiling is None for a dtype that was not calibrated.
        """
        if dtype not in self.gemm:
            return None
        rates = [self.gemm[name] for name in (dtype, *_WIDER.get(dtype, ())) if name in self.gemm]
        return max(rates)

    def rates(self, dtype: str) -> Mapping[str, float] | None:
        """The planner's rates for a dtype; None if there are none or they are not reliable.

        Rates measured beside a busy process are worse than the shipped ones: a call may seem a thousand times longer.
        """
        return None if self.others >= DISTURBING_CORES else self.cost_models.get(dtype)

    def to_json(self) -> JSON:
        """Return the calibration as a plain dict."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**data)


def rates_digest(rates: Mapping[str, float] | None) -> str | None:
    """Return a digest that tells rates of the planner apart; None for those that are shipped."""
    return None if rates is None else digest(dict(rates))


_WIDER = {"float16": ("float32",), "bfloat16": ("float32",)}
