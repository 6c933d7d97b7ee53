"""The truncated DCT: one interface, four algorithms, and a planner that chooses among three of them.

    transform = make_dct(8192, 1024, columns=512)
    z = transform(x)            # (batch, 8192, 512) -> (batch, 1024, 512)
    x = transform.inverse(z)    # and back, low-pass filtered

This package reads no file, store or environment variable: equal arguments give equal tables and plans.
"""

from __future__ import annotations

from dctbench.transforms.basis import BasisDct
from dctbench.transforms.block import BlockGemmDct, BlockSlotsDct
from dctbench.transforms.dct import TruncatedDct
from dctbench.transforms.planner import CostModel, TransformPlan, default_cost_model, make_dct, plan_dct
from dctbench.transforms.resample import Resampler
from dctbench.transforms.rfft import RfftDct, real_fft_flops
from dctbench.transforms.triton_dct import TritonDct

__all__ = [
    "BasisDct",
    "BlockGemmDct",
    "BlockSlotsDct",
    "CostModel",
    "Resampler",
    "RfftDct",
    "TransformPlan",
    "TritonDct",
    "TruncatedDct",
    "default_cost_model",
    "make_dct",
    "plan_dct",
    "real_fft_flops",
]
