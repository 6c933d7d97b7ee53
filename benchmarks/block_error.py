"""How exact is the block transform, and what does it cost? `python -m benchmarks.block_error` writes both to a file.

The error is exact, not sampled: the transform is applied to all unit vectors in float64, and the largest norm of a row
of the difference from the DCT is the largest error of a coefficient for any input of unit norm. FLOPs are counted by
the transforms. Nothing here depends on the machine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dctbench.transforms import BlockGemmDct, BlockSlotsDct, RfftDct, make_dct

RESULTS = Path(__file__).with_name("block_error.json")
TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-10, 1e-12)
SEQ_LEN, N_KEPT, BLOCK = 1024, 128, 64
COSTS = ((1024, 8), (2048, 8), (8192, 4), (8192, 8), (8192, 32), (32768, 8))


def basis(seq_len: int, n_kept: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The first rows of the orthonormal DCT-II by definition, (n_kept, seq_len); angles are reduced as integers."""
    k, j = np.arange(n_kept)[:, None], np.arange(seq_len)
    rows: np.ndarray[Any, np.dtype[np.float64]] = np.cos(
        k * (2 * j + 1) % (4 * seq_len) * (math.pi / (2 * seq_len))
    ) * math.sqrt(2 / seq_len)
    rows[0] /= math.sqrt(2)
    return rows


def worst_error(tolerance: float) -> tuple[int, float]:
    """The rank of a block, and the largest error of a coefficient for any input of unit norm, at a tolerance."""
    transform = BlockSlotsDct(SEQ_LEN, N_KEPT, block=BLOCK, tolerance=tolerance, dtype=torch.float64)
    applied = transform(torch.eye(SEQ_LEN, dtype=torch.float64)).numpy()
    difference = applied - basis(SEQ_LEN, N_KEPT)
    return transform.compress.shape[1], float(np.linalg.norm(difference, axis=1).max())


def cost(seq_len: int, ratio: int) -> dict[str, Any]:
    """FLOPs of one column by each algorithm, in float32."""
    n_kept = seq_len // ratio
    chosen = make_dct(seq_len, n_kept, 512, transform="block")
    assert isinstance(chosen, BlockSlotsDct | BlockGemmDct)
    return {
        "seq_len": seq_len,
        "ratio": ratio,
        "plan": chosen.plan,
        "rank": chosen.compress.shape[1],
        "block": chosen.flops(1),
        "table_bytes": chosen.table_bytes,
        "basis": 2 * seq_len * n_kept,
        "rfft": RfftDct(seq_len, n_kept).flops(1),
    }


def table(found: Mapping[str, Any]) -> list[str]:
    """The error curve as a Markdown table."""
    lines = ["| tolerance | rank p of a block of 64 | largest error | bound |", "|--:|--:|--:|--:|"]
    lines += [
        f"| {row['tolerance']:.0e} | {row['rank']} | {row['error']:.1e} | {math.sqrt(2) * row['tolerance']:.1e} |"
        for row in found["errors"]
    ]
    return [*lines, "", f"n = {found['seq_len']}, m = {found['n_kept']}, float64, for an input of unit norm."]


def cost_table(found: Mapping[str, Any]) -> list[str]:
    """FLOPs of one column as a Markdown table."""
    lines = ["| n | ratio | plan | p | block | one product | real FFT | tables |", "|--:|--:|---|--:|--:|--:|--:|--:|"]
    lines += [
        f"| {row['seq_len']} | {row['ratio']} | `{row['plan']}` | {row['rank']} | {row['block'] / 1e3:.0f} "
        f"| {row['basis'] / 1e3:.0f} | {row['rfft'] / 1e3:.0f} | {row['table_bytes'] / 1024:.0f} KiB |"
        for row in found["costs"]
    ]
    return [*lines, "", "Thousands of FLOPs for one column, float32."]


def document(found: Mapping[str, Any]) -> Sequence[str]:
    """Both tables."""
    return [*table(found), "", *cost_table(found)]


def measure() -> dict[str, Any]:
    """The content of the result file."""
    errors = [dict(zip(("tolerance", "rank", "error"), (t, *worst_error(t)), strict=True)) for t in TOLERANCES]
    return {
        "seq_len": SEQ_LEN,
        "n_kept": N_KEPT,
        "block": BLOCK,
        "errors": errors,
        "costs": [cost(*shape) for shape in COSTS],
    }


if __name__ == "__main__":
    RESULTS.write_text(json.dumps(measure(), indent=1) + "\n", encoding="utf-8")
