"""Implementations that misbehave, each in one way, as users' own code one day will."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

import torch
from torch import Tensor, nn


class Good(nn.Module):
    """Behaves: a layer of one's own with the promised constructor."""

    def __init__(self, *, seq_len: int, dim: int, heads: int, ratio: float | None = None) -> None:
        super().__init__()
        self.v_proj = nn.Linear(dim, dim)
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        return self.out_proj(self.v_proj(x))


class Prints(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        print('{"status": "ok"}')
        os.write(1, b"noise\n")
        return super().forward(x)


class Raises(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        raise KeyError("weights")


class Exits(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        sys.exit(3)


class Vanishes(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        os._exit(0)


class Segfaults(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        ctypes.string_at(0)
        return x


class KillsItself(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        os.kill(os.getpid(), signal.SIGKILL)
        return x


class HangsInC(Good):
    """Sleeps in C while it holds the interpreter's lock, so that no Python signal handler ever runs."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        ctypes.PyDLL(None).sleep(600)
        return x


class LeavesAChild(Good):
    """Forks a process that sleeps with every descriptor open, then hangs."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        if os.fork() == 0:
            time.sleep(600)
        time.sleep(600)
        return x


class ForksAndDies(Good):
    """The child that it leaves behind holds the answer's pipe open."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        if os.fork() == 0:
            time.sleep(600)
        os._exit(7)


class GivesNaN(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        return super().forward(x) * float("nan")


class WrongShape(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        return super().forward(x)[:, :-1]


class NoTensor(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        return [1, 2]  # type: ignore[return-value]


class CachesItsOutput(Good):
    cached: Tensor | None = None

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        if self.cached is None:
            self.cached = super().forward(x)
        return self.cached


class RunsOutOfMemory(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        torch.empty(1 << 60, dtype=torch.uint8)
        return x


class WrongConstructor(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()


class NotAModule:
    def __init__(self, *, seq_len: int, dim: int, heads: int) -> None:
        self.dim = dim


class LeavesRowsUnwritten(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        out = torch.empty_like(x)
        out[:, :-1] = super().forward(x)[:, :-1]
        return out


class TiresAfterAWhile(Good):
    """Right at first; once it has been called a few times it gives back what it gave then."""

    def __init__(self, *, seq_len: int, dim: int, heads: int, ratio: float | None = None) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads)
        self.calls = 0
        self.kept: Tensor | None = None

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        self.calls += 1
        if self.kept is None or self.calls < 8:
            self.kept = super().forward(x)
        return self.kept


class StopsTheClock(Good):
    """Puts a clock that stands still in the place of every one that it can find."""

    def __init__(self, *, seq_len: int, dim: int, heads: int, ratio: float | None = None) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads)
        from dctbench import measure
        from dctbench.devices import cpu
        from dctbench.metrics import latency

        for place, name in ((cpu, "_clock"), (measure, "_clock"), (latency, "perf_counter"), (time, "perf_counter"),
                            (time, "monotonic"), (time, "time"), (time, "process_time")):  # fmt: skip
            setattr(place, name, lambda: 0.0)


class LoopsInPython(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        while True:
            pass


class StopsItself(Good):
    """Stands still under a signal that no process can catch."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        os.kill(os.getpid(), signal.SIGSTOP)
        return x
