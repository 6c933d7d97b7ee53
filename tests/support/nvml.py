"""NVML's functions for fake GPUs, for tests without a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import pytest

from dctbench.machine import nvml as gpus


class NvmlError(Exception):
    """The error of NVML, raised also for a sensor that the GPU does not have."""


@dataclass
class FakeNvml:
    """`count` equal GPUs, the first with `parts` MIG instances. All are `divided`, or will be at the
    next reset. A GPU that is `lost` reports nothing.

    Clocks are in MHz, energy is in millijoules and violations, by policy, are in nanoseconds, as in NVML; None means
    that a value is not reported. Violations grow by `violation_step` whenever they are read.
    """

    count: int = 1
    clock: int | None = 1500
    default_clock: int | None = None
    most_clock: int = 2000
    reasons: int = 0
    millijoules: int | None = 5000
    memory: int | None = 8 << 30
    lost: bool = False
    parts: tuple[str, ...] = ()
    divided: bool = False
    running: dict[int, int | None] | None = field(default_factory=dict)
    violations: dict[int, int] | None = None
    violation_step: int = 0

    NVMLError = NvmlError
    NVML_CLOCK_SM = 1
    NVML_TEMPERATURE_GPU = 0

    def nvmlDeviceGetCount(self) -> int:
        return self.count

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> int:
        found: dict[str, int] = {self.nvmlDeviceGetUUID(index): index for index in range(self.count)}
        found |= {name: 100 + place for place, name in enumerate(self.parts)}
        if uuid not in found:
            raise NvmlError("not found")
        return found[uuid]

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return self.parts[handle - 100] if handle >= 100 else f"GPU-{handle:08d}-aaaa"

    def nvmlDeviceGetMigMode(self, handle: int) -> list[int]:
        return [int(self.divided), 1]

    def nvmlDeviceGetName(self, handle: int) -> bytes:
        if self.lost:
            raise NvmlError("GPU is lost")
        return b"Made-up GPU"

    def nvmlSystemGetDriverVersion(self) -> str:
        return "1.2.3"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:
        return SimpleNamespace(total=self._told(self.memory))

    def nvmlDeviceGetDefaultApplicationsClock(self, handle: int, kind: int) -> int:
        return self._told(self.default_clock)

    def nvmlDeviceGetMaxClockInfo(self, handle: int, kind: int) -> int:
        return self.most_clock

    def nvmlDeviceGetClockInfo(self, handle: int, kind: int) -> int:
        return self._told(self.clock)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: int) -> int:
        return 300_000

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        return 120_000

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:
        return 40

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: int) -> int:
        return self.reasons

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
        return self._told(self.millijoules)

    def nvmlDeviceGetViolationStatus(self, handle: int, policy: int) -> SimpleNamespace:
        counted = self._told(None if self.violations is None else self.violations.get(policy))
        assert self.violations is not None
        self.violations[policy] += self.violation_step
        return SimpleNamespace(referenceTime=0, violationTime=counted)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[SimpleNamespace]:
        if self.running is None:
            raise NvmlError("no permission")
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in self.running.items()]

    def _told(self, value: int | None) -> int:
        if value is None:
            raise NvmlError("not supported")
        return value


class Recorded:
    """NVML's functions with the answers that `benchmarks.first_gpu` recorded on a machine, whatever the handle."""

    NVMLError = NvmlError
    NVML_CLOCK_SM = 1
    NVML_TEMPERATURE_GPU = 0

    def __init__(self, answers: Sequence[Mapping[str, Any]]) -> None:
        self._answers = answers

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def answer(*arguments: Any) -> Any:
            for one in self._answers:
                if one["function"] == name and one["arguments"] == list(arguments[1:]):
                    if "error" in one:
                        raise NvmlError(one["error"])
                    return _object(one["answer"])
            raise NvmlError(f"{name} was not recorded")

        return answer


def _object(answer: Any) -> Any:
    if isinstance(answer, dict):
        return SimpleNamespace(**answer)
    return [_object(one) for one in answer] if isinstance(answer, list) else answer


def use(monkeypatch: pytest.MonkeyPatch, nvml: FakeNvml, torch: str = "2.13.0") -> None:
    """Replace NVML by the fake, with an installed torch of that version."""
    monkeypatch.setattr(gpus, "load_library", lambda: nvml)
    monkeypatch.setattr(metadata, "version", lambda name: torch)
