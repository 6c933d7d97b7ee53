"""The interface of a device: synchronize, time calls, read memory and energy, and recognise its errors.

To add a kind of device, write one module with these functions and add one line to `dctbench.catalog`. The measuring
code knows only this interface, so nothing else changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from dctbench.machine.energy import Meter
from dctbench.model import NO_DETAILS, CaseWarning, ResultDetails

Cache = Literal["warm", "cold"]
Stopwatch = Callable[[Callable[[], object]], float]
"""Calls its argument and returns the seconds of its work on the device, which is idle before and after."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a watch observed: warnings, and values for the details of the result."""

    warnings: tuple[CaseWarning, ...] = ()
    details: ResultDetails = NO_DETAILS


class Watch(Protocol):
    """Observes the device from the construction of the object on, while calls are timed."""

    def disturbed(self) -> str | None:
        """Return why the last sample should be taken again, or None to keep it."""

    def conditions(self) -> Conditions:
        """Return what was observed so far."""


class DeviceModule(Protocol):
    """The functions of a device module; `name` is the device as in a case, such as `cpu` or `cuda:0`."""

    SAMPLING: Mapping[str, float]
    """The fields of `dctbench.worker.metrics.latency.Sampling` that differ from their defaults on this device."""

    CACHE: Cache
    """The state of the caches when a timed call begins, unless the user chooses another."""

    def unavailable(self, name: str) -> str | None:
        """Return why this process cannot use the device, in one sentence, or None if it can. It may try the device."""

    def use(self, name: str) -> None:
        """Make it the current device of this process."""

    def synchronize(self, name: str) -> None:
        """Wait until all work queued on the device is done."""

    def stopwatch(self, name: str, cache: Cache) -> Stopwatch:
        """Return a stopwatch. With `cold` it empties the last-level cache before each call, outside the timed part.

        Raises:
            UnsupportedError: if the cache cannot be emptied.
        """

    def swept_bytes(self, name: str) -> int:
        """Return the bytes that a `cold` stopwatch writes to empty the cache."""

    def watch(self, name: str, paired: bool = False) -> Watch:
        """Start to watch for conditions that make timings on the device unreliable.

        With `paired` another process of this run takes turns with this one; its load does not count.
        """

    def memory_bytes(self, name: str) -> int:
        """Return the bytes that a process can allocate on the device now."""

    def peak_tensor_bytes(self, name: str, call: Callable[[], object]) -> int:
        """Return the most bytes of tensors alive at once during `call`, above those alive before it. Not for timing.

        Raises:
            UnsupportedError: if torch does not count them on this device.
        """

    def process_bytes(self, name: str, call: Callable[[], object]) -> int:
        """Return the bytes that the process needs for `call` according to the system, not torch. Not for timing.

        Raises:
            UnsupportedError: if the system does not report them, or not at this size.
        """

    def energy_counter(self, name: str) -> Meter:
        """Return the energy meter of the device.

        Raises:
            UnavailableError: if there is none that this process may read; the message is the reason.
        """

    def queued_seconds(
        self, name: str, prepare: Callable[[int], Any], call: Callable[[Any], object], cache: Cache
    ) -> list[float] | None:
        """Return seconds of `call(prepare(number))` on the device if its launches are queued before it begins.

        None for a device that launches nothing. The difference to the stopwatch is the time in which the device waits
        for the host.

        Raises:
            UnsupportedError: for a call whose launches cannot be queued ahead.
        """

    def kernel_seconds(self, name: str, call: Callable[[], object], cache: Cache) -> tuple[float, int] | None:
        """Return total seconds and number of the kernels of one `call`, or None if they are not timed separately."""

    def out_of_memory(self, error: BaseException) -> str | None:
        """Return a sentence with the requested size if `error` means that memory ran out, else None."""

    def tf32_products(self, name: str) -> bool:
        """Return whether products of float32 numbers may be computed in TF32, with float16's precision."""

    def describe(self, name: str) -> ResultDetails:
        """Return the properties of the device and the settings of torch that affect measurements, for the result."""
