"""The facts read from system files, for files written by the tests."""

from __future__ import annotations

import platform
from pathlib import Path

import psutil
import pytest

from dctbench.machine import host
from dctbench.worker.devices import cpu
from dctbench.worker.metrics import ceilings


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Replace the system's files by texts, by path."""
    texts: dict[str, str] = {}
    monkeypatch.setattr(host, "read_text", lambda path: texts.get(str(path)))
    return texts


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


def test_a_processor_is_identified_by_more_than_its_name(files: dict[str, str]) -> None:
    files["/proc/cpuinfo"] = (
        "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\n"
        "stepping\t: 1\nflags\t\t: fpu avx2 avx512f hypervisor\n\nprocessor\t: 1\nmodel name\t: Another\n"
    )
    assert host.cpu_model() == "AMD EPYC"
    assert host.cpu_id() == "AuthenticAMD 26 2 1"
    assert host.cpu_flags() == ["avx2", "avx512f"]
    assert host.virtualisation() == "unknown"
    assert host.flags_known()
    assert host.hypervisor_known()
    files["/sys/devices/system/clocksource/clocksource0/available_clocksource"] = "tsc kvm-clock"
    assert host.virtualisation() == "KVM"


ARM_CORE = (
    "processor\t: {number}\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd {more}\nCPU implementer\t: 0x41\n"
    "CPU architecture: 8\nCPU variant\t: {variant}\nCPU part\t: {part}\nCPU revision\t: 1\n"
)


def arm(*parts: str, more: str = "") -> str:
    """/proc/cpuinfo of an ARM processor with these cores, as kernel 6.1 shows it."""
    cores = [ARM_CORE.format(number=n, variant="0x3", part=part, more=more) for n, part in enumerate(parts)]
    return "\n".join([*cores, "Revision\t: d04170\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n"])


def test_arm_processors_are_told_apart_by_all_kinds_of_their_cores(files: dict[str, str]) -> None:
    files["/proc/cpuinfo"] = arm("0xd0c", "0xd0c")
    neoverse = host.cpu_id()
    assert neoverse == "0x41/8/0x3/0xd0c/1"
    files["/proc/cpuinfo"] = arm("0xd05", "0xd05", "0xd0b", "0xd0b")
    assert host.cpu_id() == "0x41/8/0x3/0xd05/1+0x41/8/0x3/0xd0b/1"
    files["/proc/cpuinfo"] = arm("0xd0b", "0xd05")
    assert host.cpu_id() == "0x41/8/0x3/0xd05/1+0x41/8/0x3/0xd0b/1"


def test_an_arm_processor_is_called_by_its_board_and_its_hypervisor_is_not_known(files: dict[str, str]) -> None:
    files["/proc/cpuinfo"] = arm("0xd0b", more="asimdhp")
    assert host.cpu_model() == (platform.processor() or platform.machine())
    files["/proc/device-tree/model"] = "Raspberry Pi 5 Model B Rev 1.0\0"
    assert host.cpu_model() == "Raspberry Pi 5 Model B Rev 1.0"
    assert host.cpu_flags() == ["asimd", "asimdhp"]
    assert (host.flags_known(), host.hypervisor_known(), host.virtualisation()) == (True, False, None)


def test_macs_are_told_apart_by_what_their_kernel_reports(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "sysctl"
    program.write_text(
        '#!/bin/sh\n[ "$1" = -n ] || exit 1\ncase "$2" in\nmachdep.cpu.brand_string) echo "Apple M3";;\n'
        'hw.model) echo "Mac15,3";;\n*) exit 1;;\nesac\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(host, "_SYSCTL", str(program))
    assert host.cpu_id() is None
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    assert (host.cpu_model(), host.cpu_id()) == ("Apple M3", "Mac15,3")
    monkeypatch.setattr(host, "_SYSCTL", str(tmp_path / "none"))
    assert host.cpu_model()
    assert host.cpu_id() is None


def test_facts_that_the_system_does_not_report_are_none(files: dict[str, str]) -> None:
    assert (host.cpu_id(), host.cpu_flags(), host.virtualisation(), host.governor()) == (None, [], None, None)
    assert (host.flags_known(), host.hypervisor_known()) == (False, False)
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
