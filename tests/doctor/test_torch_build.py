"""The doctor's checks of torch, for facts written by the tests and for the installed torch."""

from __future__ import annotations

from typing import Any

import pytest

from dctbench.doctor import gpu, torch_build
from dctbench.errors import UnavailableError
from dctbench.machine.nvml import Gpu, Reading
from dctbench.protocol import Failure, TorchReply
from dctbench.worker.torch_info import torch_facts
from tests.support.nvml import FakeNvml

BUILD: dict[str, Any] = {
    "version": "2.13.0", "mkl": True, "onednn": True, "cuda": None, "hip": None, "debug": False,
    "parallel_backend": "OpenMP", "cpu_capability": "AVX2", "threads": 2, "gpus": [], "kernels": {},
}  # fmt: skip
FACTS: dict[str, Any] = {"cores_usable": 4, "cores_physical": 4, "thread_env": {}, "cpu_flags": ["avx2"]}
GPU = Gpu("Test GPU", "GPU-0", 80 << 30, "550.1", 1980, 700.0)


def test_this_torch_reports_every_fact() -> None:
    found = torch_build.findings(TorchReply(torch_facts()), FACTS | {"cores_usable": 64, "cores_physical": 64})
    assert [one.check for one in found][:2] == ["torch", "threads"]
    assert found[2].state == "ok"
    assert "flash" in found[2].found


def test_a_worker_without_torch_is_a_failure_that_quotes_it() -> None:
    reply = Failure("ended", output="Traceback\nImportError: libtorch.so")
    [found] = torch_build.findings(reply, FACTS)
    assert (found.state, found.exit_code) == ("failure", 6)
    assert "ImportError: libtorch.so" in found.found


def test_vectors_that_torch_leaves_unused_are_noticed() -> None:
    assert torch_build.build(BUILD, ["avx2"]).state == "ok"
    held_back = torch_build.build(BUILD, ["avx2", "avx512f"])
    assert held_back.state == "warning"
    assert "the processor has AVX512" in held_back.found
    assert torch_build.build(BUILD | {"debug": True}, ["avx2"]).state == "warning"


def test_more_threads_than_cores_is_a_warning_with_the_number_to_set() -> None:
    assert torch_build.threads(4, FACTS).state == "ok"
    assert torch_build.threads(1, FACTS | {"thread_env": {"OMP_NUM_THREADS": "1"}}).state == "ok"
    many = torch_build.threads(8, FACTS)
    assert "OMP_NUM_THREADS=4" in str(many.remedy)
    siblings = torch_build.threads(8, FACTS | {"cores_usable": 8})
    assert "4 of them physical" in siblings.found
    assert {many.state, siblings.state} == {"warning"}


def test_kernels_are_listed_by_dtype_if_they_differ() -> None:
    half = {"chosen": "flash", "available": ["flash", "math"]}
    full = {"chosen": "efficient", "available": ["efficient", "math"]}
    found = torch_build.kernels("cuda:0", {"float32": full, "bfloat16": half, "float16": half})
    assert "efficient for float32, flash for bfloat16 and float16" in found.found
    assert "not cudnn" in found.found
    only = {"chosen": "math", "available": ["math"]}
    assert torch_build.kernels("cpu", {"float32": only}).state == "warning"


def test_a_gpu_that_torch_cannot_use_is_reported_with_the_reason() -> None:
    card = {"name": "Test GPU", "capability": "9.0", "memory_bytes": 1, "built_for": True}
    built = BUILD | {"cuda": "12.8", "gpus": [card]}
    assert gpu.seen_by_torch([GPU], built).state == "ok"
    assert "built without CUDA" in gpu.seen_by_torch([GPU], BUILD).found
    missing = gpu.seen_by_torch([GPU], built | {"gpus": []})
    assert (missing.state, missing.exit_code) == ("failure", 6)
    assert gpu.seen_by_torch([GPU], built | {"gpus": [card | {"built_for": False}]}).state == "warning"


CARD = {"name": "Test GPU", "capability": "9.0", "memory_bytes": 1, "built_for": True}


def test_fewer_devices_than_gpus_are_no_failure_where_gpus_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = BUILD | {"cuda": "12.8", "gpus": [CARD]}
    for divided, state in ((True, "ok"), (False, "failure")):
        fake = FakeNvml(count=4, divided=divided)
        monkeypatch.setattr("dctbench.machine.nvml.load_library", lambda fake=fake: fake)
        assert gpu.findings(seen, {})[0].state == state
        assert gpu.findings(seen | {"gpus": []}, {})[0].state == "failure"


def test_gpus_that_the_variables_of_a_suite_hide_are_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeNvml(count=2)
    monkeypatch.setattr("dctbench.machine.nvml.load_library", lambda: fake)
    seen = BUILD | {"cuda": "12.8", "gpus": [CARD]}
    assert gpu.findings(seen, {})[0].state == "failure"
    assert gpu.findings(seen, {"CUDA_VISIBLE_DEVICES": "1"})[0].state == "ok"


@pytest.mark.parametrize(
    ("hip", "installed", "remedy"),
    [("6.2", True, "rocm-smi"), (None, True, "tegrastats"), (None, False, "pip install nvidia-ml-py")],
)
def test_the_remedy_for_a_gpu_that_only_torch_sees_fits_its_cause(
    monkeypatch: pytest.MonkeyPatch, hip: str | None, installed: bool, remedy: str
) -> None:
    def absent() -> None:
        raise UnavailableError("no NVIDIA driver on this machine")

    monkeypatch.setattr("dctbench.machine.nvml.load_library", absent)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if installed else None)
    [found] = gpu.findings(BUILD | {"hip": hip, "gpus": [CARD]}, {})
    assert found.state == "warning"
    assert remedy in str(found.remedy)


def test_the_gpu_of_a_mac_is_named_with_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise UnavailableError("no NVIDIA driver on this machine")

    monkeypatch.setattr("dctbench.machine.nvml.load_library", absent)
    assert "everything runs on the CPU" in gpu.findings(BUILD, {})[0].found
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    [found] = gpu.findings(BUILD, {})
    assert (found.state, "--device mps" in found.found, "CPU" in found.found) == ("ok", True, False)


def test_throttling_and_other_processes_on_a_gpu_are_warnings() -> None:
    calm = gpu.clocks("cuda:0", GPU, Reading(1980, 120.0, 40, ()))
    hot = gpu.clocks("cuda:0", GPU, Reading(900, 700.0, 88, ("power cap",)))
    assert (calm.state, hot.state) == ("ok", "warning")
    assert "limited by power cap" in hot.found
    assert [gpu.other_processes("cuda:0", given).state for given in (None, {}, {7: 1 << 30})] == ["ok", "ok", "warning"]
    assert "pid 7 (1.00 GiB)" in gpu.other_processes("cuda:0", {7: 1 << 30}).found
