"""What a machine can do at most, and the rates that the transform planner works with: measured once, then looked up.

A calibration belongs to a fingerprint and a device. The worker takes it (`dctbench.worker.metrics.ceilings`), the store
keeps it, and the roofline, the check for implausible results and the planner use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from dctbench.model import JSON

DTYPES = ("float32", "bfloat16", "float16", "float64")
"""What is calibrated, in the order in which it is told."""
DISTURBING_CORES = 0.5
"""Others that used more than this while the machine was calibrated have spoilt it."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The ceilings and rates of one device.

    Attributes:
        device: as cases name it, such as `cpu` or `cuda:0`.
        threads: how many torch used.
        gemm: FLOP/s of the best matrix product found, by dtype (multiply-add = 2).
        bandwidth: B/s of a copy between buffers larger than the last-level cache, bytes read and bytes written.
        cache_bytes: the size of the last-level cache; less traffic than that says nothing about the memory.
        cost_models: the fields of `dctbench.transforms.CostModel`, by dtype.
        spread: by ceiling (`gemm float32`, `copy`) and for the shortest call that the planner counts with
            (`planner float32`), how far the two best rounds lie apart, as a share.
        others: cores' worth of time that other processes used meanwhile.
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
        """FLOP/s of this dtype's matrix products, or of a wider dtype's where those are faster.

        A CPU without float16 products multiplies float16 slower than float32, and every kernel is free to convert.
        None for a dtype that was not calibrated.
        """
        if dtype not in self.gemm:
            return None
        rates = [self.gemm[name] for name in (dtype, *_WIDER.get(dtype, ())) if name in self.gemm]
        return max(rates)

    def rates(self, dtype: str) -> Mapping[str, float] | None:
        """The planner's rates for a dtype; None where there are none, or none to be trusted.

        Rates taken beside a busy neighbour are worse than the shipped ones: a call may seem a thousand times longer.
        """
        return None if self.others >= DISTURBING_CORES else self.cost_models.get(dtype)

    def to_json(self) -> JSON:
        """A plain dict."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**data)


_WIDER = {"float16": ("float32",), "bfloat16": ("float32",)}
