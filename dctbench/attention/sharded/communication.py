"""The collectives that sharded layers call, which count the bytes that they send.

*Convention*: a collective counts the payload that one rank sends in the usual ring algorithm (Patarasuk and Yuan 2009,
"Bandwidth optimal all-reduce algorithms for clusters of workstations"). With p ranks an all-reduce of N elements sends
2 (p - 1) chunks of ceil(N / p) elements, and an all-gather sends the rows of p - 1 ranks. Headers, acknowledgements and
what a library sends beyond that are not counted. So the figure depends on shapes only, and is the same on every
network.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.distributed as dist
from torch import Tensor

CONVENTION = "payload that each rank sends per call, by the ring algorithm, padded to the longest rank"


_all_gather = getattr(dist, "all_gather_single", dist.all_gather_into_tensor)
"""The same collective under the name that torch has for it since 2.13, or the one before, of which 2.13 warns."""


@dataclass(slots=True)
class Traffic:
    """What one rank has sent in the calls of one collective."""

    calls: int = 0
    bytes: int = 0


def rank_bounds(seq_len: int, size: int) -> list[int]:
    """Return the first position of each rank, and n. The numbers of positions differ by at most one."""
    return [rank * seq_len // size for rank in range(size + 1)]


class Communicator:
    """One rank of a group of processes.

    Args:
        rank: the number of this rank, from 0.
        size: the number of ranks.
        group: of `torch.distributed`; None for a single rank, which sends nothing.
    """

    def __init__(self, rank: int, size: int, group: dist.ProcessGroup | None = None) -> None:
        self.rank = rank
        self.size = size
        self._group = group
        self.sent: dict[str, Traffic] = {}

    @property
    def bytes_sent(self) -> int:
        """Bytes that this rank has sent since `sent` was cleared."""
        return sum(traffic.bytes for traffic in self.sent.values())

    def sum(self, x: Tensor) -> Tensor:
        """Return the sum of x over all ranks, which takes the place of x. Shapes are the same on all ranks."""
        x = x.contiguous()
        chunk = -(-x.numel() // self.size)
        self._count("all_reduce", 2 * (self.size - 1) * chunk * x.itemsize)
        dist.all_reduce(x, group=self._group)
        return x

    def gather(self, rows: Tensor, seq_len: int) -> Tensor:
        """Return the rows of all ranks in order: (rows of this rank, ...) -> (seq_len, ...).

        All send as many rows as the rank that has most, since a collective takes equal shapes.
        """
        bounds = rank_bounds(seq_len, self.size)
        lengths = [stop - start for start, stop in pairwise(bounds)]
        longest = max(lengths)
        mine = rows.contiguous()
        if len(mine) < longest:
            mine = torch.cat([mine, mine.new_zeros(longest - len(mine), *mine.shape[1:])])
        every = mine.new_empty(self.size * longest, *mine.shape[1:])
        self._count("all_gather", (self.size - 1) * mine.nbytes)
        _all_gather(every, mine, group=self._group)
        if min(lengths) == longest:
            return every
        return torch.cat([part[:length] for part, length in zip(every.split(longest), lengths, strict=True)])

    def _count(self, collective: str, sent: int) -> None:
        traffic = self.sent.setdefault(collective, Traffic())
        traffic.calls += 1
        traffic.bytes += sent


class Silent(Communicator):
    """A communicator that neither counts nor sends: it gives results their shapes, which is enough to count FLOPs."""

    def sum(self, x: Tensor) -> Tensor:
        """Return x."""
        return x

    def gather(self, rows: Tensor, seq_len: int) -> Tensor:
        """Return (seq_len, ...) without values."""
        return rows.new_empty(seq_len, *rows.shape[1:])
