"""The facts of the processor, for files written by the tests."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from dctbench.machine import host, processor


def test_a_processor_is_identified_by_more_than_its_name(files: dict[str, str]) -> None:
    files["/proc/cpuinfo"] = (
        "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\n"
        "stepping\t: 1\nflags\t\t: fpu avx2 avx512f\n\nprocessor\t: 1\nmodel name\t: Another\n"
    )
    assert processor.cpu_model() == "AMD EPYC"
    assert processor.cpu_id() == "AuthenticAMD 26 2 1"
    assert processor.cpu_flags() == ["avx2", "avx512f"]
    assert processor.flags_known()


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
    neoverse = processor.cpu_id()
    assert neoverse == "0x41/8/0x3/0xd0c/1"
    files["/proc/cpuinfo"] = arm("0xd05", "0xd05", "0xd0b", "0xd0b")
    assert processor.cpu_id() == "0x41/8/0x3/0xd05/1+0x41/8/0x3/0xd0b/1"
    files["/proc/cpuinfo"] = arm("0xd0b", "0xd05")
    assert processor.cpu_id() == "0x41/8/0x3/0xd05/1+0x41/8/0x3/0xd0b/1"


def test_an_arm_processor_is_called_by_its_board_and_its_hypervisor_is_not_known(files: dict[str, str]) -> None:
    files["/proc/cpuinfo"] = arm("0xd0b", more="asimdhp")
    assert processor.cpu_model() == "Raspberry Pi 5 Model B Rev 1.0"
    files["/proc/device-tree/model"] = "NVIDIA Jetson Orin Nano Developer Kit\0"
    assert processor.cpu_model() == "NVIDIA Jetson Orin Nano Developer Kit"
    assert processor.cpu_flags() == ["asimd", "asimdhp"]
    assert (processor.flags_known(), host.hypervisor_known(), host.virtualisation()) == (True, False, None)


def test_macs_are_told_apart_by_what_their_kernel_reports(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "sysctl"
    program.write_text(
        '#!/bin/sh\n[ "$1" = -n ] || exit 1\ncase "$2" in\nmachdep.cpu.brand_string) echo "Apple M3";;\n'
        'hw.model) echo "Mac15,3";;\n*) exit 1;;\nesac\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(processor, "_SYSCTL", str(program))
    assert processor.cpu_id() is None
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    assert (processor.cpu_model(), processor.cpu_id()) == ("Apple M3", "Mac15,3")
    monkeypatch.setattr(processor, "_SYSCTL", str(tmp_path / "none"))
    assert processor.cpu_model()
    assert processor.cpu_id() is None


def test_a_processor_that_the_system_does_not_describe_has_the_name_of_its_architecture(files: dict[str, str]) -> None:
    assert (processor.cpu_id(), processor.cpu_flags(), processor.flags_known()) == (None, [], False)
    assert processor.cpu_model() == (platform.processor() or platform.machine())
