"""Layers for `--impl tests.reliability.layers:NAME`: taking all memory, recording calls, failing until mended.

Their parameters are environment variables, which reach the processes of the cases.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
from torch import Tensor

from tests.support.hostile import Good

RECORD, MENDED = "DCTBENCH_TEST_RECORD", "DCTBENCH_TEST_MENDED"
PIECE, MOST = 32 << 20, 4 << 30


class TakesAllMemory(Good):
    """Allocates and writes memory piece by piece until the kernel kills it. Stops before it harms the machine."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        taken = [b"x" * PIECE for _ in range(MOST // PIECE)]
        raise RuntimeError(f"{len(taken)} pieces fitted: this process has no memory limit")


class LeavesARecord(Good):
    """Records the process and the time of every call, so that a test can see whether two calls overlap."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        with open(os.environ[RECORD], "a", encoding="ascii") as record:
            record.write(f"{os.getpid()} {time.monotonic()}\n")
        return super().forward(x)


class KillsTheRunUntilMended(Good):
    """Kills the process group of the command that measures it, until a file exists."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        if x.device.type != "meta" and not Path(os.environ[MENDED]).exists():
            [command] = [one for one in psutil.Process().parents() if "run" in one.cmdline()]
            os.killpg(os.getpgid(command.pid), signal.SIGKILL)
        return super().forward(x)


class FailsUntilMended(Good):
    """Raises until a file exists."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        if not Path(os.environ[MENDED]).exists():
            raise RuntimeError("not mended yet")
        return super().forward(x)
