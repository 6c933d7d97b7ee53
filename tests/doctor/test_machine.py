"""The doctor's checks of the machine, with facts written by the tests."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dctbench.doctor import machine
from dctbench.doctor.finding import Finding
from dctbench.machine import environment
from dctbench.machine.cgroup import Throttling
from dctbench.machine.contention import Usage
from dctbench.spec import suites

FACTS: dict[str, Any] = {
    "cpu": "Test CPU", "cores_physical": 4, "cores_logical": 8, "cores_usable": 8, "caches": {"L2": 1 << 20},
    "cpu_flags": ["avx2"], "virtualisation": None, "affinity": "0-7", "numa_nodes": 1, "thread_env": {},
}  # fmt: skip


def states(*findings: Finding) -> list[str]:
    for finding in findings:
        assert finding.found
        assert finding.state == "ok" or finding.remedy, "a warning without a remedy helps nobody"
    return [finding.state for finding in findings]


def test_this_machine_is_described_without_a_failure() -> None:
    found = machine.findings(environment.collect({}).facts)
    assert "failure" not in states(*found)
    assert [one.check for one in found][:3] == ["timer", "processor", "governor"]


def test_a_coarse_clock_is_a_warning_and_a_broken_one_a_failure() -> None:
    fine, coarse = machine.timer(4e-8, 6e-8, "tsc"), machine.timer(1.5e-2, 6e-8, None)
    slow, still, backwards = (machine.timer(*given) for given in ((4e-8, 2e-6, "hpet"), (float("inf"), 0.0, None),
                                                                  (-1.0, 0.0, None)))  # fmt: skip
    assert states(fine, coarse, slow, still, backwards) == ["ok", "warning", "warning", "failure", "failure"]
    assert "tsc" in fine.found
    assert "stands still" in still.found
    assert "goes backwards" in backwards.found


def test_the_clock_of_this_machine_is_measured() -> None:
    step, reading = machine.clock_steps(2000)
    assert 0 < step < 1
    assert 0 < reading < 1


def test_bare_metal_and_missing_vectors_are_said_only_where_the_system_tells() -> None:
    def found(flags: list[str], virtualisation: str | None, *, flags_known: bool, hypervisor_known: bool) -> str:
        facts = FACTS | {"cpu_flags": flags, "virtualisation": virtualisation}
        return machine.processor(facts, flags_known=flags_known, hypervisor_known=hypervisor_known).found

    assert found(["avx2"], None, flags_known=True, hypervisor_known=True).endswith("avx2, bare metal")
    assert found([], "KVM", flags_known=True, hypervisor_known=True).endswith("no wide vectors, KVM virtual machine")
    assert found(["asimd"], None, flags_known=True, hypervisor_known=False).endswith("asimd, virtual or not: not known")
    apple = found([], None, flags_known=False, hypervisor_known=False)
    assert apple.endswith("vectors not known, virtual or not: not known")


def test_only_the_governor_performance_needs_no_remedy() -> None:
    found = [machine.governor(*given) for given in (("performance", True, None), ("powersave", None, None),
                                                    (None, None, "KVM"), (None, None, None))]  # fmt: skip
    assert states(*found) == ["ok", "warning", "ok", "ok"]
    assert "cpupower" in str(found[1].remedy)
    assert "the host sets it" in found[2].found


@pytest.mark.parametrize(
    ("usage", "names", "expected", "words"),
    [
        (Usage(0.5, 0.02, 0.0, 2), [], ["ok"], "0.02 of 2 cores"),
        (Usage(0.5, 0.98, 0.0, 2), ["spin (pid 7, 98%)"], ["warning"], "spin (pid 7, 98%)"),
        (Usage(0.5, 0.98, 0.0, 2), [], ["warning"], "none that this user or container may see"),
        (Usage(0.5, 0.0, 0.2, 2), [], ["ok", "warning"], "0.00 of 2 cores"),
        (None, [], ["ok"], "not measured"),
    ],
)
def test_other_processes_are_noticed_and_named(
    usage: Usage | None, names: list[str], expected: list[str], words: str
) -> None:
    found = machine.neighbours(usage, names)
    assert states(*found) == expected
    assert words in found[0].found


def test_one_memory_node_needs_no_pinning_and_several_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dctbench.machine.host.affinity", lambda: list(range(8)))
    assert states(machine.affinity(FACTS), machine.affinity(FACTS | {"numa_nodes": 2})) == ["ok", "warning"]
    monkeypatch.setattr("dctbench.machine.host.affinity", lambda: [0, 1])
    pinned = machine.affinity(FACTS | {"numa_nodes": 2, "affinity": "0-1", "cores_usable": 2})
    assert states(pinned) == ["ok"]
    assert "pinned to cores 0-1" in pinned.found


def test_container_limits_and_their_effects_are_reported() -> None:
    free = machine.container(None, None, None, None)
    whole = machine.container("docker", 2.0, Throttling(50, 0, 0.0), 1 << 30)
    part, little = machine.container("docker", 1.5, None, None), machine.container("docker", 0.5, None, None)
    stopped = machine.container("kubernetes", 2.5, Throttling(50, 10, 0.25), None)
    assert states(free, whole, part, little, stopped) == ["ok", "ok", "ok", "warning", "warning"]
    assert "1.00 GiB" in whole.found
    assert "raise the quota" in str(little.remedy)
    assert "20% of its periods" in stopped.found
    assert "OMP_NUM_THREADS=2" in str(stopped.remedy)
    assert stopped.values == {"cpu_quota": 2.5, "periods": 50, "stopped": 10, "seconds": 0.25}


def test_little_memory_is_a_warning() -> None:
    assert states(machine.memory(5 << 30, 8 << 30, 0), machine.memory(1 << 28, 8 << 30, 1 << 30)) == ["ok", "warning"]


def test_in_a_container_the_memory_is_what_its_limit_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dctbench.machine.cgroup.memory_available", lambda: 0)
    monkeypatch.setattr("dctbench.machine.host.memory_limit", lambda: 1 << 30)
    found = machine._memory()
    assert (found.state, found.found.startswith("0 B of 1.00 GiB free")) == ("warning", True), found.found
    monkeypatch.setattr("dctbench.machine.cgroup.memory_available", lambda: None)
    assert not machine._memory().found.startswith("0 B")


def test_the_allocator_is_explained_in_each_of_its_states() -> None:
    default = machine.allocator({}, "glibc 2.36")
    assert "page faults" in default.found
    advised = dict(re.findall(r'(MALLOC_\w+) = "(\d+)"', str(default.remedy)))
    assert advised == {name: text for name, text in suites.load("ci").settings.env.items() if "MALLOC" in name}
    assert int(advised["MALLOC_MMAP_THRESHOLD_"]) <= 32 << 20  # glibc before 2.35 refuses more (mallopt(3))
    assert "[settings.env]" in str(default.remedy)
    kept = machine.allocator({"MALLOC_MMAP_THRESHOLD_": "9", "MALLOC_TRIM_THRESHOLD_": "9"}, "glibc 2.36")
    assert "keep freed memory" in kept.found
    assert "jemalloc" in machine.allocator({"LD_PRELOAD": "/usr/lib/libjemalloc.so.2"}, "glibc 2.36").found
    assert "musl" in machine.allocator({}, "musl 1.2").found
    assert states(default, kept) == ["ok", "ok"]
