"""Limits by control groups, in trees of files as Linux mounts them."""

from __future__ import annotations

from pathlib import Path

from dctbench.machine import cgroup
from dctbench.machine.cgroup import Throttling

NO_LIMIT = 9223372036854771712


def put(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")


def in_groups(root: Path, *lines: str) -> None:
    put(root, "proc/self/cgroup", "\n".join(lines))


def test_version_2_limits_are_the_least_of_all_enclosing_groups(tmp_path: Path) -> None:
    in_groups(tmp_path, "0::/slice/service")
    put(tmp_path, "sys/fs/cgroup/slice/service/cpu.max", "max 100000")
    put(tmp_path, "sys/fs/cgroup/slice/cpu.max", "250000 100000")
    put(tmp_path, "sys/fs/cgroup/slice/memory.max", str(8 << 30))
    put(tmp_path, "sys/fs/cgroup/slice/service/memory.max", "max")
    assert (cgroup.cpu_quota(tmp_path), cgroup.memory_limit(tmp_path)) == (2.5, 8 << 30)
    put(tmp_path, "sys/fs/cgroup/slice/service/cpu.max", "25000 50000")
    assert cgroup.cpu_quota(tmp_path) == 0.5


def test_version_1_limits_are_read_from_the_folder_of_each_controller(tmp_path: Path) -> None:
    in_groups(tmp_path, "4:memory:/box", "2:cpu,cpuacct:/outer/box", "0::/")
    cpu = "sys/fs/cgroup/cpu,cpuacct"
    for group, quota, period in (("outer/box", "-1", "100000"), ("outer", "300000", "100000"), (".", "-1", "100000")):
        put(tmp_path, f"{cpu}/{group}/cpu.cfs_quota_us", quota)
        put(tmp_path, f"{cpu}/{group}/cpu.cfs_period_us", period)
    put(tmp_path, "sys/fs/cgroup/memory/box/memory.limit_in_bytes", str(4 << 30))
    put(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", str(NO_LIMIT))
    assert (cgroup.cpu_quota(tmp_path), cgroup.memory_limit(tmp_path)) == (3.0, 4 << 30)


def test_a_container_that_sees_only_its_own_group_finds_the_limits_at_the_top(tmp_path: Path) -> None:
    in_groups(tmp_path, "2:cpu:/docker/4711")  # as the host names it, where only the group itself is mounted
    put(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000")
    put(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000")
    assert cgroup.cpu_quota(tmp_path) == 1.5


def test_without_limits_or_files_everything_is_none(tmp_path: Path) -> None:
    def limits() -> list[object]:
        worst = cgroup.worst_throttling(cgroup.throttling(tmp_path))
        return [cgroup.cpu_quota(tmp_path), cgroup.memory_limit(tmp_path), cgroup.memory_available(tmp_path), worst]

    assert limits() == [None] * 4
    assert cgroup.oom_kills(tmp_path) == 0
    in_groups(tmp_path, "2:cpu:/", "0::/", "nonsense", "")
    put(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1")
    put(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000")
    put(tmp_path, "sys/fs/cgroup/cpu.max", "max 100000")
    put(tmp_path, "sys/fs/cgroup/cpu/cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 0")
    assert limits() == [None] * 4


def test_throttling_is_that_of_the_group_that_was_stopped_most_in_the_meantime(tmp_path: Path) -> None:
    in_groups(tmp_path, "0::/slice/service")
    outer, inner = "sys/fs/cgroup/slice/cpu.stat", "sys/fs/cgroup/slice/service/cpu.stat"
    put(tmp_path, outer, "usage_usec 7\nnr_periods 100\nnr_throttled 50\nthrottled_usec 9000000")
    put(tmp_path, "sys/fs/cgroup/cpu.stat", "usage_usec 7")
    before = cgroup.throttling(tmp_path)
    assert cgroup.worst_throttling(before) == Throttling(100, 50, 9.0)
    assert cgroup.worst_throttling(before, before) == Throttling(0, 0, 0.0)
    put(tmp_path, outer, "nr_periods 104\nnr_throttled 51\nthrottled_usec 9250000")
    put(tmp_path, inner, "nr_periods 4\nnr_throttled 3\nthrottled_usec 125000")
    assert cgroup.worst_throttling(cgroup.throttling(tmp_path), before) == Throttling(4, 3, 0.125)


def test_version_1_counts_throttled_time_in_nanoseconds(tmp_path: Path) -> None:
    in_groups(tmp_path, "2:cpu:/box")
    put(tmp_path, "sys/fs/cgroup/cpu/box/cpu.stat", "nr_periods 10\nnr_throttled 4\nthrottled_time 1500000000")
    assert cgroup.worst_throttling(cgroup.throttling(tmp_path)) == Throttling(10, 4, 1.5)


def put_memory(root: Path, group: str, version: int, limit: int | str, usage: int, reclaimable: int) -> None:
    limits, used, stat = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", f"inactive_file 0\ntotal_inactive_file {reclaimable}"),
        2: ("memory.max", "memory.current", f"anon 1\ninactive_file {reclaimable}"),
    }[version]
    put(root, f"sys/fs/cgroup/{group}/{limits}", str(limit))
    put(root, f"sys/fs/cgroup/{group}/{used}", str(usage))
    put(root, f"sys/fs/cgroup/{group}/memory.stat", stat)


def test_available_memory_of_a_container_includes_inactive_file_pages(tmp_path: Path) -> None:
    in_groups(tmp_path, "0::/slice/service")
    put_memory(tmp_path, "slice/service", 2, 8 << 30, usage=7 << 30, reclaimable=6 << 30)
    put(tmp_path, "sys/fs/cgroup/memory.current", str(60 << 30))  # of the whole machine
    assert cgroup.memory_available(tmp_path) == 7 << 30
    put_memory(tmp_path, "slice", 2, 16 << 30, usage=15 << 30, reclaimable=1 << 30)
    assert cgroup.memory_available(tmp_path) == 2 << 30
    put_memory(tmp_path, "slice", 2, 16 << 30, usage=17 << 30, reclaimable=0)
    assert cgroup.memory_available(tmp_path) == 0
    put_memory(tmp_path, "slice", 2, "max", usage=17 << 30, reclaimable=0)
    assert cgroup.memory_available(tmp_path) == 7 << 30


def test_version_1_files_give_the_available_memory_too(tmp_path: Path) -> None:
    in_groups(tmp_path, "4:memory:/box", "0::/")
    put_memory(tmp_path, "memory", 1, NO_LIMIT, usage=60 << 30, reclaimable=0)
    assert cgroup.memory_available(tmp_path) is None
    put_memory(tmp_path, "memory/box", 1, 4 << 30, usage=3 << 30, reclaimable=2 << 30)
    assert cgroup.memory_available(tmp_path) == 3 << 30


def test_oom_kills_are_counted_in_the_own_group_or_else_on_the_machine(tmp_path: Path) -> None:
    put(tmp_path, "proc/vmstat", "nr_free_pages 7\noom_kill 9")
    in_groups(tmp_path, "4:memory:/box", "0::/slice")
    assert cgroup.oom_kills(tmp_path) == 9
    put(tmp_path, "sys/fs/cgroup/slice/memory.events", "oom 4\noom_kill 3\noom_group_kill 0")
    assert cgroup.oom_kills(tmp_path) == 3
    for group, killed in ((".", 5), ("box", 2)):
        text = f"oom_kill_disable 0\nunder_oom 0\noom_kill {killed}"
        put(tmp_path, f"sys/fs/cgroup/memory/{group}/memory.oom_control", text)
    assert cgroup.oom_kills(tmp_path) == 2
