"""Layers for `--impl tests.reliability.layers:NAME`: one takes all memory, one leaves a record, one fails until mended.

What they need to know stands in variables of the environment, which reach the processes of the cases.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from torch import Tensor

from tests.support.hostile import Good

RECORD, MENDED = "DCTBENCH_TEST_RECORD", "DCTBENCH_TEST_MENDED"
PIECE, MOST = 32 << 20, 4 << 30


class TakesAllMemory(Good):
    """Takes memory that is really used, piece by piece, until the kernel ends it; gives up before a machine suffers."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        taken = [b"x" * PIECE for _ in range(MOST // PIECE)]
        raise RuntimeError(f"{len(taken)} pieces fitted: no limit holds this process")


class LeavesARecord(Good):
    """Writes down who was called and when, so that a test can see whether two were ever called at the same time."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        with open(os.environ[RECORD], "a", encoding="ascii") as record:
            record.write(f"{os.getpid()} {time.monotonic()}\n")
        return super().forward(x)


class FailsUntilMended(Good):
    """Raises as long as a file is not there."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        if not Path(os.environ[MENDED]).exists():
            raise RuntimeError("not mended yet")
        return super().forward(x)
