"""The process group of a case: the link on which sharded layers communicate, and one for control beside it."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from dctbench.attention.sharded.communication import Communicator, rank_bounds
from dctbench.errors import UnsupportedError, text_of
from dctbench.model import Case

BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
"""The library whose collectives move tensors, by kind of device."""
_LOOPBACK = "lo" if sys.platform == "linux" else "lo0"
_ORDER = 3


def backend(case: Case) -> str:
    """Return the library that communicates for a case.

    Raises:
        UnsupportedError: for a device without one.
    """
    if case.device_kind not in BACKENDS:
        raise UnsupportedError(f"torch has no collectives between devices of the kind {case.device_kind}")
    return BACKENDS[case.device_kind]


class Group:
    """One rank among those of a case. A group of one needs no other process and sends nothing.

    Args:
        case: with `ranks`.
        rank: the number of this rank.
        folder: in which the ranks find each other.
        seconds: after which a collective gives up.
    """

    def __init__(self, case: Case, rank: int, folder: Path, seconds: float) -> None:
        assert case.ranks is not None
        self.rank, self.size = rank, case.ranks
        bounds = rank_bounds(case.seq_len, self.size)
        self.positions = slice(bounds[rank], bounds[rank + 1])
        self._lengths = [stop - start for start, stop in pairwise(bounds)]
        self._control: dist.ProcessGroup | None = None
        data = None
        if self.size > 1:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", _LOOPBACK)
            dist.init_process_group(
                "gloo",
                store=dist.FileStore(str(folder / "store"), self.size),  # type: ignore[attr-defined]
                rank=rank,
                world_size=self.size,
                timeout=timedelta(seconds=seconds),
            )
            self._control = dist.group.WORLD
            # A group of its own, so that control never waits for what a layer has queued.
            data = dist.new_group(backend=backend(case), timeout=timedelta(seconds=seconds))
        self.communicator = Communicator(rank, self.size, data)

    def order(self, given: tuple[float, ...] = ()) -> tuple[float, ...]:
        """Send an order to all ranks (rank 0), or receive one (others). An order is at most three numbers."""
        order = torch.tensor([*given, *[0.0] * (_ORDER - len(given))], dtype=torch.float64)
        if self.size > 1:
            dist.broadcast(order, 0, group=self._control)
        return tuple(order.tolist())

    def wait(self) -> None:
        """Wait until all ranks are here."""
        if self.size > 1:
            dist.barrier(group=self._control)

    def largest(self, value: float) -> float:
        """Return the largest of the values of all ranks."""
        reduced = torch.tensor(value, dtype=torch.float64)
        if self.size > 1:
            dist.all_reduce(reduced, dist.ReduceOp.MAX, group=self._control)
        return float(reduced)

    def shared(self, whole: Tensor) -> Tensor:
        """Return the tensor of rank 0, on the CPU."""
        whole = whole.detach().cpu().contiguous()
        if self.size > 1:
            with torch.inference_mode(False):
                whole = whole.clone()
            dist.broadcast(whole, 0, group=self._control)
        return whole

    def joined(self, rows: Tensor) -> Tensor:
        """Return the rows of all ranks in order, on the CPU: (batch, rows of this rank, dim) -> (batch, n, dim)."""
        mine = rows.detach().cpu().to(torch.float64)
        if self.size == 1:
            return mine
        longest = max(self._lengths)
        padded = torch.zeros(mine.shape[0], longest, mine.shape[2], dtype=torch.float64)
        padded[:, : mine.shape[1]] = mine
        every = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(every, padded, group=self._control)
        return torch.cat([part[:, :length] for part, length in zip(every, self._lengths, strict=True)], dim=1)

    def close(self) -> None:
        """Leave the group."""
        if self.size > 1:
            dist.destroy_process_group()


def connection_lost(error: BaseException) -> bool:
    """Return whether a collective failed, which it does when another rank has ended."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in text_of(error).lower())
