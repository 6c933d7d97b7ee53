"""The most FLOP/s that a processor can physically do: a ceiling for which nothing need be measured.

It refuses results that no computation can have, such as those of a layer that returns what it computed before. It is
several times above what any program reaches, so it never refuses an honest result.
"""

from __future__ import annotations

import os

from dctbench.machine import processor

MOST_HERTZ = 6e9
"""No processor has a faster clock."""
_PER_CYCLE = (
    (("amx_tile",), 2048),  # one product of 16 x 32 and 32 x 16 bfloat16 numbers takes 16 cycles
    (("avx512_fp16", "avx512_bf16", "avx512_vnni"), 256),  # two units, 32 numbers of 16 bits or 64 of 8 bits each
    (("avx_vnni",), 128),  # two units, 32 numbers of 8 bits each
    (("avx512f",), 64),  # two units, 16 float32 numbers each
    (("avx2",), 32),  # two units, 8 float32 numbers each
    (("sve", "sve2", "i8mm", "bf16", "asimdhp"), 512),  # four units of 128 bits or two of 512, with products of tiles
)
"""Processor flags, and the floating-point operations of a core and cycle, a multiply-add counted as two."""
_MARGIN = 1.25
"""Boards with a higher clock than the data sheet's."""
_DATA_SHEETS = {
    "B200": 9000e12, "B100": 7000e12, "H200": 1979e12, "H100": 1979e12, "H20": 296e12, "A100": 624e12, "A30": 330e12,
    "A40": 299e12, "A10": 250e12, "L40S": 733e12, "L40": 362e12, "L4": 243e12, "T4": 130e12, "V100": 125e12,
}  # fmt: skip
"""Operations per second without sparsity, in the narrowest type of the tensor cores, from the makers' data sheets."""


def most_flops_per_second(kind: str, name: str | None = None) -> float | None:
    """Return a ceiling of the FLOP/s of a device in any type, or None if none is known.

    Args:
        kind: `cpu`, `cuda`, ...
        name: of a GPU.
    """
    if kind == "cpu":
        return _of_cores(processor.cpu_flags(), os.cpu_count())
    if kind == "cuda" and name is not None:
        words = name.replace("-", " ").split()
        found = next((rate for model, rate in _DATA_SHEETS.items() if model in words), None)
        return None if found is None else _MARGIN * found
    return None


def _of_cores(flags: list[str], cores: int | None) -> float | None:
    for needed, operations in _PER_CYCLE:
        if cores is not None and any(flag in flags for flag in needed):
            return cores * operations * MOST_HERTZ
    return None
