"""NVML's functions over made-up GPUs, for what can be tested of them without one."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from dctbench.machine import nvml as gpus


class NvmlError(Exception):
    """What NVML raises, for a meter that a GPU does not have too."""


@dataclass
class FakeNvml:
    """`count` equal GPUs, with `parts` of the first as MIG has them. Clocks in MHz, energy in millijoules, as NVML
    tells them; None for what is not told, and nothing at all of a GPU that is `lost`.
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
    running: dict[int, int | None] | None = field(default_factory=dict)

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

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[SimpleNamespace]:
        if self.running is None:
            raise NvmlError("no permission")
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in self.running.items()]

    def _told(self, value: int | None) -> int:
        if value is None:
            raise NvmlError("not supported")
        return value


def use(monkeypatch: pytest.MonkeyPatch, nvml: FakeNvml, torch: str = "2.13.0") -> None:
    """Put it in NVML's place, beside an installed torch of that version."""
    monkeypatch.setattr(gpus, "load", lambda: nvml)
    monkeypatch.setattr(gpus.metadata, "version", lambda name: torch)
