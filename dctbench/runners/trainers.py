"""Trainings side by side: each in a process with one thread, as many at a time as asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from dctbench.machine import host
from dctbench.model import Result
from dctbench.runners.lane import Lane
from dctbench.text.format import format_size, pluralize

TRAINING_BYTES = 512 << 20
"""What a training needs of the memory, roughly: torch, a small model, its data, and what an optimiser keeps."""
TRAINING = 0
"""The round of the zygotes of trainings. Nothing is timed to the microsecond there, so that one serves all rounds."""


def most_at_a_time() -> tuple[int, str | None]:
    """Return how many trainings may run at a time: one for each core, or as many as fit into the memory.

    The second value says why there are fewer than cores; None if there are not.
    """
    cores, free = host.usable_cores(), host.memory_available()
    fitting = cores if free is None else max(1, free // TRAINING_BYTES)
    if free is None or fitting >= cores:
        return cores, None
    return fitting, (
        f"{pluralize(fitting, 'training')} at a time on {cores} cores: {format_size(free)} of memory is free, and "
        f"a training takes about {format_size(TRAINING_BYTES)}; --jobs sets another number"
    )


class Trainers:
    """Lanes for trainings, started when they are first needed.

    Args:
        most: trainings at a time.
        new_lane: makes a lane.
    """

    def __init__(self, most: int, new_lane: Callable[[], Lane]) -> None:
        self.most = most
        self._new_lane = new_lane
        self._lock = threading.Lock()
        self._lanes: list[Lane] = []
        self._free: list[Lane] = []
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, train: Callable[[Lane], Result]) -> Future[Result]:
        """Call `train` in another thread as soon as a lane is free."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(max_workers=self.most, thread_name_prefix="dctbench-trainer")
        return self._pool.submit(self._run, train)

    def _run(self, train: Callable[[Lane], Result]) -> Result:
        with self._lock:
            if not self._free:
                self._free.append(self._new_lane())
                self._lanes.append(self._free[-1])
            lane = self._free.pop()
        try:
            return train(lane)
        finally:
            with self._lock:
                self._free.append(lane)

    def close(self) -> None:
        """End all trainings and their zygotes. The runner is closing already, so none starts any more."""
        with self._lock:
            lanes = list(self._lanes)
        for lane in lanes:
            lane.kill()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        for lane in lanes:
            lane.close()
