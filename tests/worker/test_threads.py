"""How many threads torch uses where a CPU quota allows fewer than there are cores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from dctbench.machine import host
from dctbench.worker import threads


@pytest.fixture(autouse=True)
def four_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    monkeypatch.setattr(host, "affinity", lambda: list(range(8)))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("quota", "used"), [(None, 4), (0.5, 1), (2.9, 2), (4.5, 4), (7.0, 4)])
def test_torch_uses_the_whole_cores_of_a_quota_at_most(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, used: int
) -> None:
    monkeypatch.setattr("dctbench.machine.cgroup.cpu_quota", lambda: quota)
    threads.use_no_more_than_the_quota()
    assert torch.get_num_threads() == used


def test_a_variable_that_asks_for_more_threads_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dctbench.machine.cgroup.cpu_quota", lambda: 1.0)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    threads.use_no_more_than_the_quota()
    assert torch.get_num_threads() == 4
