"""The facts read from system files, for files written by the tests."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from dctbench.machine import host
from dctbench.worker.devices import cpu
from dctbench.worker.metrics import ceilings


@pytest.mark.parametrize(
    ("quota", "usable", "recorded"),
    [(None, 8, None), (0.5, 1, 0.5), (1.0, 1, 1.0), (1.9, 1, 1.9), (2.5, 2, 2.5), (8.0, 8, None), (64.0, 8, None)],
)
def test_a_quota_below_the_cores_decides_how_many_whole_cores_are_usable(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, usable: int, recorded: float | None
) -> None:
    monkeypatch.setattr(host, "affinity", lambda: list(range(8)))
    monkeypatch.setattr("dctbench.machine.cgroup.cpu_quota", lambda: quota)
    assert (host.usable_cores(), host.cpu_quota()) == (usable, recorded)


def test_a_memory_limit_above_the_memory_of_the_machine_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    total = psutil.virtual_memory().total
    for limit, expected in ((None, None), (total // 2, total // 2), (total, None), (100 * total, None)):
        monkeypatch.setattr("dctbench.machine.cgroup.memory_limit", lambda limit=limit: limit)
        assert host.memory_limit() == expected


def test_a_hypervisor_is_named_if_the_processor_tells_that_there_is_one(files: dict[str, str]) -> None:
    files["/proc/cpuinfo"] = "processor\t: 0\nflags\t\t: fpu avx2\n"
    assert (host.hypervisor_known(), host.virtualisation()) == (True, None)
    files["/proc/cpuinfo"] = "processor\t: 0\nflags\t\t: fpu avx2 hypervisor\n"
    assert (host.hypervisor_known(), host.virtualisation()) == (True, "unknown")
    files["/sys/devices/system/clocksource/clocksource0/available_clocksource"] = "tsc kvm-clock"
    assert host.virtualisation() == "KVM"


def test_facts_that_the_system_does_not_report_are_none(files: dict[str, str]) -> None:
    assert (host.hypervisor_known(), host.virtualisation(), host.governor()) == (False, None, None)
    assert (host.boost(), host.huge_pages(), host.clocksource()) == (None, None, None)
    files["/sys/devices/system/cpu/intel_pstate/no_turbo"] = "1"
    files["/sys/kernel/mm/transparent_hugepage/enabled"] = "always [madvise] never"
    assert (host.boost(), host.huge_pages()) == (False, "madvise")


def cache(folder: Path, index: str, level: str, kind: str, size: str, shared: str) -> None:
    made = folder / index
    made.mkdir(parents=True)
    for name, text in (("level", level), ("type", kind), ("size", size), ("shared_cpu_list", shared)):
        (made / name).write_text(f"{text}\n")


def test_each_shared_last_level_cache_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_CPU", str(tmp_path))
    assert (host.last_level_cache_bytes(), host.cache_sizes()) == (None, {})
    for number, shared in enumerate(["0-1", "0-1", "2-3", "2-3"]):
        cache(tmp_path, f"cpu{number}/cache/index0", "1", "Instruction", "32K", str(number))
        cache(tmp_path, f"cpu{number}/cache/index1", "1", "Data", "48K", str(number))
        cache(tmp_path, f"cpu{number}/cache/index2", "2", "Unified", "1024K", str(number))
        cache(tmp_path, f"cpu{number}/cache/index3", "3", "Unified", "16M", shared)
    assert host.last_level_cache_bytes() == ceilings.last_level_cache("cpu") == 32 << 20
    assert cpu.swept_bytes("cpu") == 64 << 20
    assert host.cache_sizes() == {"L1d": 48 << 10, "L2": 1 << 20, "L3": 16 << 20}
