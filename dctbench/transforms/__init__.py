"""The truncated DCT and the choice among its algorithms."""

from __future__ import annotations

from dctbench.transforms.basis import BasisDct
from dctbench.transforms.dct import TruncatedDct

__all__ = ["BasisDct", "TruncatedDct"]
