"""The facts read from system files, for files written by the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from dctbench.machine import host
from dctbench.worker.devices import cpu
from dctbench.worker.metrics import ceilings


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Replace the system's files by texts, by path."""
    texts: dict[str, str] = {}
    monkeypatch.setattr(host, "read_text", lambda path: texts.get(str(path)))
    monkeypatch.setattr(host, "affinity", lambda: list(range(8)))
    return texts


def test_cgroup_v2_limits_are_the_tightest_of_all_enclosing_groups(files: dict[str, str]) -> None:
    files["/proc/self/cgroup"] = "0::/slice/service"
    files["/sys/fs/cgroup/slice/service/cpu.max"] = "max 100000"
    files["/sys/fs/cgroup/slice/cpu.max"] = "250000 100000"
    files["/sys/fs/cgroup/slice/memory.max"] = str(8 << 30)
    files["/sys/fs/cgroup/slice/service/memory.max"] = "max"
    files["/sys/fs/cgroup/slice/cpu.stat"] = "usage_usec 7\nnr_periods 100\nnr_throttled 5"
    assert (host.cpu_quota(), host.usable_cores(), host.memory_limit()) == (2.5, 2, 8 << 30)
    assert host.cpu_throttled() == (5, 100)


def test_cgroup_v1_limits_are_read_from_the_folder_of_each_controller(files: dict[str, str]) -> None:
    files["/proc/self/cgroup"] = "4:memory:/box\n2:cpu,cpuacct:/box\n0::/"
    files["/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us"] = "300000"
    files["/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us"] = "100000"
    files["/sys/fs/cgroup/memory/box/memory.limit_in_bytes"] = str(4 << 30)
    files["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = "9223372036854771712"
    assert (host.cpu_quota(), host.usable_cores(), host.memory_limit()) == (3.0, 3, 4 << 30)


def put(files: dict[str, str], group: str, version: int, limit: int | str, usage: int, reclaimable: int) -> None:
    limits, used, stat = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", f"inactive_file 0\ntotal_inactive_file {reclaimable}"),
        2: ("memory.max", "memory.current", f"anon 1\ninactive_file {reclaimable}"),
    }[version]
    files[f"/sys/fs/cgroup/{group}/{limits}"] = str(limit)
    files[f"/sys/fs/cgroup/{group}/{used}"] = str(usage)
    files[f"/sys/fs/cgroup/{group}/memory.stat"] = stat


def test_available_memory_of_a_container_includes_inactive_file_pages(files: dict[str, str]) -> None:
    files["/proc/self/cgroup"] = "0::/slice/service"
    put(files, "slice/service", 2, 8 << 30, usage=7 << 30, reclaimable=6 << 30)
    files["/sys/fs/cgroup/memory.current"] = str(60 << 30)  # of the whole machine
    assert host.memory_available() == 7 << 30
    assert cpu.memory_bytes("cpu") <= 7 << 30
    put(files, "slice", 2, 16 << 30, usage=15 << 30, reclaimable=1 << 30)
    assert host.memory_available() == 2 << 30
    put(files, "slice", 2, 16 << 30, usage=17 << 30, reclaimable=0)
    assert host.memory_available() == 0
    put(files, "slice", 2, "max", usage=17 << 30, reclaimable=0)
    assert host.memory_available() == 7 << 30


def test_cgroup_v1_files_give_the_available_memory_too(files: dict[str, str]) -> None:
    files["/proc/self/cgroup"] = "4:memory:/box\n0::/"
    put(files, "memory", 1, 9223372036854771712, usage=60 << 30, reclaimable=0)
    assert host.memory_available() is None
    put(files, "memory/box", 1, 4 << 30, usage=3 << 30, reclaimable=2 << 30)
    assert host.memory_available() == 3 << 30


def test_oom_kills_are_counted_in_the_own_group_or_else_on_the_machine(
    files: dict[str, str],
) -> None:
    assert host.oom_kills() == 0
    files["/proc/vmstat"] = "nr_free_pages 7\noom_kill 9"
    files["/proc/self/cgroup"] = "4:memory:/box\n0::/slice"
    assert host.oom_kills() == 9
    files["/sys/fs/cgroup/slice/memory.events"] = "oom 4\noom_kill 3\noom_group_kill 0"
    assert host.oom_kills() == 3
    files["/sys/fs/cgroup/memory/memory.oom_control"] = "oom_kill_disable 0\nunder_oom 0\noom_kill 5"
    files["/sys/fs/cgroup/memory/box/memory.oom_control"] = "oom_kill_disable 0\nunder_oom 0\noom_kill 2"
    assert host.oom_kills() == 2


def test_no_limits_are_none(files: dict[str, str]) -> None:
    files["/proc/self/cgroup"] = "2:cpu:/\n0::/"
    files["/sys/fs/cgroup/cpu/cpu.cfs_quota_us"] = "-1"
    files["/sys/fs/cgroup/cpu/cpu.cfs_period_us"] = "100000"
    assert (host.cpu_quota(), host.usable_cores(), host.memory_limit()) == (None, 8, None)
    assert host.cpu_throttled() is None


def test_a_processor_is_identified_by_more_than_its_name(files: dict[str, str]) -> None:
    files["/proc/cpuinfo"] = (
        "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\n"
        "stepping\t: 1\nflags\t\t: fpu avx2 avx512f hypervisor\n\nprocessor\t: 1\nmodel name\t: Another\n"
    )
    assert host.cpu_model() == "AMD EPYC"
    assert host.cpu_id() == "AuthenticAMD 26 2 1"
    assert host.cpu_flags() == ["avx2", "avx512f"]
    assert host.virtualisation() == "unknown"
    files["/sys/devices/system/clocksource/clocksource0/available_clocksource"] = "tsc kvm-clock"
    assert host.virtualisation() == "KVM"


def test_facts_that_the_system_does_not_report_are_none(files: dict[str, str]) -> None:
    assert (host.cpu_id(), host.cpu_flags(), host.virtualisation(), host.governor()) == (None, [], None, None)
    assert (host.boost(), host.huge_pages(), host.clocksource()) == (None, None, None)
    assert host.cpu_model()
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
