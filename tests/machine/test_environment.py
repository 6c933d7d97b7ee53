"""The environment and its fingerprint."""

from __future__ import annotations

import importlib.util
import json
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from dctbench.catalog.engines import ENGINES
from dctbench.machine import environment


def test_the_fingerprint_sees_the_stable_facts_and_not_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    here = environment.collect({})
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 99.0, 99.0))
    assert environment.collect({}).fingerprint == here.fingerprint
    assert environment.collect({"MALLOC_TRIM_THRESHOLD_": "1"}).fingerprint != here.fingerprint
    assert environment.collect({"OMP_NUM_THREADS": "1"}).fingerprint != here.fingerprint
    monkeypatch.setattr("dctbench.machine.host.governor", lambda: "powersave")
    monkeypatch.setattr("platform.release", lambda: "another kernel")
    assert environment.collect({}).fingerprint == here.fingerprint
    monkeypatch.setattr("dctbench.machine.processor.cpu_model", lambda: "another processor")
    assert environment.collect({}).fingerprint != here.fingerprint


STABLE_FACTS = {
    "system", "machine", "cpu", "cpu_id", "cpu_flags", "caches", "cores_physical", "cores_logical", "cores_usable",
    "torch", "python", "libc", "allocator", "thread_env",
}  # fmt: skip
"""Written down once more: what is left out of the fingerprint by mistake makes two machines one."""


def gpu(**changed: object) -> dict[str, object]:
    return {"name": "Test GPU", "uuid": "GPU-0", "memory_bytes": 1 << 36, "driver": "550", "clock_mhz": 1980,
            "power_cap_watts": 700.0, **changed}  # fmt: skip


@pytest.mark.parametrize("fact", sorted(STABLE_FACTS))
def test_each_stable_fact_alone_makes_another_fingerprint(fact: str) -> None:
    facts = dict(environment.collect({}).facts)
    assert environment.fingerprint(facts | {fact: "another"}) != environment.fingerprint(facts)
    assert environment.fingerprint(facts | {fact: None}) != environment.fingerprint(facts | {fact: "another"})


@pytest.mark.parametrize("fact", ["name", "memory_bytes", "driver", "power_cap_watts"])
def test_each_stable_fact_of_a_gpu_alone_makes_another_fingerprint(fact: str) -> None:
    facts = dict(environment.collect({}).facts) | {"gpu": [gpu()]}
    here = environment.fingerprint(facts)
    assert environment.fingerprint(facts | {"gpu": [gpu(**{fact: 1})]}) != here
    assert environment.fingerprint(facts | {"gpu": [gpu(), gpu()]}) != here


def test_facts_that_change_by_themselves_leave_the_fingerprint_as_it_is() -> None:
    facts = dict(environment.collect({}).facts)
    for fact in ("host", "release", "virtualisation", "container", "affinity", "governor", "boost", "clocksource",
                 "huge_pages", "load_average", "numpy", "flash_linear_attention", "engines", "executable",
                 "git"):  # fmt: skip
        assert environment.fingerprint(facts | {fact: "another"}) == environment.fingerprint(facts), fact


def test_the_facts_are_json_and_name_the_versions_that_run() -> None:
    facts = environment.collect({}).facts
    assert json.loads(json.dumps(facts)) == facts
    assert facts["torch"] == torch.__version__
    assert facts["engines"] == {
        name: version(name) for name in ("executorch", "onnxruntime", "openvino") if importlib.util.find_spec(name)
    }
    assert facts["cores_usable"] >= 1
    assert facts["memory_bytes"] > 1 << 28


def test_the_version_of_flash_linear_attention_is_a_fact_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def installed(fla: str | None) -> None:
        known = {"flash-linear-attention": fla}
        monkeypatch.setattr(environment, "package_version", known.get)

    installed(None)
    assert "flash_linear_attention" not in environment.collect({}).facts
    installed("0.3.2")
    assert environment.collect({}).facts["flash_linear_attention"] == "0.3.2"


def test_the_package_of_every_engine_is_recorded() -> None:
    needed = [set().union(*(engine.packages or {}).values()) for engine in ENGINES.values() if engine.exported]
    recorded = set(environment.ENGINE_PACKAGES)
    assert all(packages & recorded for packages in needed)
    assert recorded <= set().union(*needed)


def test_processors_with_the_same_shortened_name_are_different_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    here = environment.collect({})
    athlon = "AuthenticAMD 6 1 0"  # which runs no torch
    monkeypatch.setattr("dctbench.machine.processor.cpu_id", lambda: athlon)
    assert environment.collect({}).fingerprint != here.fingerprint


def test_a_few_more_mebibytes_are_the_same_machine() -> None:
    facts = dict(environment.collect({}).facts) | {"memory_bytes": 16 << 30}
    assert environment.fingerprint(facts) == environment.fingerprint(facts | {"memory_bytes": (16 << 30) - (9 << 20)})
    assert environment.fingerprint(facts) != environment.fingerprint(facts | {"memory_bytes": 32 << 30})


def test_another_board_of_the_same_kind_is_the_same_machine_and_another_driver_is_not() -> None:
    facts = dict(environment.collect({}).facts) | {"gpu": [gpu()]}
    here = environment.fingerprint(facts)
    assert environment.fingerprint(facts | {"gpu": [gpu(uuid="GPU-1", clock_mhz=210)]}) == here
    assert environment.fingerprint(facts | {"gpu": [gpu(driver="560")]}) != here
    assert environment.fingerprint(facts | {"gpu": None}) != here


def test_a_cpu_quota_is_another_machine_and_its_absence_the_same_as_in_stores_without_that_fact() -> None:
    facts = dict(environment.collect({}).facts) | {"cpu_quota": None}
    unlimited = environment.fingerprint(facts)
    limited = [environment.fingerprint(facts | {"cpu_quota": quota}) for quota in (0.5, 1.5, 1.5000001)]
    assert limited[0] != limited[1] == limited[2]
    assert unlimited not in limited
    del facts["cpu_quota"]
    assert environment.fingerprint(facts) == unlimited


def test_cores_are_written_as_the_kernel_writes_them() -> None:
    assert [environment.core_ranges(cores) for cores in ([], [3], [0, 1, 2], [0, 2, 3, 8])] == [
        "",
        "3",
        "0-2",
        "0,2-3,8",
    ]


def test_git_is_none_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert environment.collect({}).facts["git"] is None
