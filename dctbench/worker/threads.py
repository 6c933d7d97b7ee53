"""How many threads torch uses if nothing says how many."""

from __future__ import annotations

import os

import torch

from dctbench.machine import host

_CHOSEN_BY = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def use(count: int | None) -> None:
    """Use that many threads or, if there is no number, no more than the quota allows."""
    if count:
        torch.set_num_threads(count)
    else:
        use_no_more_than_the_quota()


def use_no_more_than_the_quota() -> None:
    """Let torch use as many threads as the CPU quota has whole cores, if it would use more and no variable asks for it.

    torch counts the cores of the machine. With more threads than the quota allows, a container uses its quota up early
    in each period, and stands still for the rest.
    """
    if host.cpu_quota() is None or any(name in os.environ for name in _CHOSEN_BY):
        return
    cores = host.usable_cores()
    if cores < torch.get_num_threads():
        torch.set_num_threads(cores)
