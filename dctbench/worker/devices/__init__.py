"""The kinds of device behind one small interface: wait for it, time on it, ask its memory and meters, name its errors.

A device kind is one module with these functions and its one line in `dctbench.catalog`. Whoever measures knows only
this interface, so that a new kind changes nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from dctbench.model import NO_DETAILS, CaseWarning, ResultDetails

Cache = Literal["warm", "cold"]
Stopwatch = Callable[[Callable[[], object]], float]
"""Seconds that the device takes for what one call of its argument asks of it, from an idle device to an idle device."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a watch saw: warnings, and figures for the result's details."""

    warnings: tuple[CaseWarning, ...] = ()
    details: ResultDetails = NO_DETAILS


class Watch(Protocol):
    """Looks at the device from its making on, while something is timed there."""

    def disturbed(self) -> str | None:
        """Why a sample that ended just now should be taken again; None when nothing speaks against it."""

    def conditions(self) -> Conditions:
        """What it saw until now."""


class EnergyCounter(Protocol):
    """A meter that only ever counts up. `source` names it, `tick` is how often it moves, in seconds."""

    source: str
    tick: float

    def joules(self) -> float:
        """Joules since some moment in the past."""


class DeviceModule(Protocol):
    """What a device's module offers; `name` is the device as the user wrote it, such as `cpu` or `cuda:0`."""

    SAMPLING: Mapping[str, float]
    """The fields of `dctbench.worker.metrics.latency.Sampling` that differ on this kind of device."""

    CACHE: Cache
    """What the caches hold when a timed call begins, unless the user says otherwise."""

    def unavailable(self, name: str) -> str | None:
        """Why this process cannot use the device, in one sentence; None when it can."""

    def use(self, name: str) -> None:
        """Make it the device of this process."""

    def synchronize(self, name: str) -> None:
        """Wait until everything queued on the device is done."""

    def stopwatch(self, name: str, cache: Cache) -> Stopwatch:
        """Times calls on the device. `cold` empties its last-level cache before each, outside the timed part.

        Raises:
            UnsupportedError: where the cache cannot be emptied.
        """

    def swept_bytes(self, name: str) -> int:
        """How much a `cold` stopwatch writes to empty the cache, in bytes."""

    def watch(self, name: str, paired: bool = False) -> Watch:
        """Looks out for whatever makes a timing on the device worthless.

        `paired` where another process of ours takes turns with this one: what that uses is no neighbour's.
        """

    def memory_bytes(self, name: str) -> int:
        """Memory that a process could get on the device now, in bytes."""

    def peak_tensor_bytes(self, name: str, call: Callable[[], object]) -> int:
        """The most bytes of tensors that `call` had alive at once above what was live before; never timed.

        Raises:
            UnsupportedError: where torch does not count them.
        """

    def process_bytes(self, name: str, call: Callable[[], object]) -> int:
        """What the system, not torch, says that the process holds for `call`, in bytes; never timed.

        Raises:
            UnsupportedError: where the system cannot tell, or not at this size.
        """

    def energy_counter(self, name: str) -> EnergyCounter:
        """The device's energy meter.

        Raises:
            UnavailableError: where there is none that this process may read, with the reason.
        """

    def kernel_seconds(self, name: str, call: Callable[[], object]) -> tuple[float, int] | None:
        """Seconds of the kernels that one `call` runs, added up, and their number; None where calls are the kernels."""

    def out_of_memory(self, error: BaseException) -> str | None:
        """What was asked for, as a sentence, when `error` says that memory ran out; else None."""

    def describe(self, name: str) -> ResultDetails:
        """What a result should say about the device: settings of torch that change its figures."""
