"""The CUDA code, whole, on a device that is the CPU: which figures a case gets, and what becomes of failures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dctbench.attention import build
from dctbench.model import Case, ResultDetails
from dctbench.protocol import CaseReply, MeasureRequest
from dctbench.text.warning_values import read_warning
from dctbench.wording.warnings import message
from dctbench.worker import serve
from dctbench.worker.devices import cuda
from dctbench.worker.torch_info import has_code_for
from dctbench.worker.workload import Graphed
from tests.support.cuda_on_cpu import Gpu, cuda_on_cpu
from tests.support.nvml import FakeNvml

QUICK = {"warmup_least": 0.0, "warmup_most": 0.01, "budget": 0.01, "samples_least": 3}
CASE: dict[str, Any] = {"seq_len": 64, "heads": 2, "head_dim": 8, "device": "cuda:0"}
DEVICE_FIGURES = {"latency", "queued_time", "kernel_time", "memory.tensor", "memory.process", "memory.state", "setup",
                  "first_call", "flops", "error.noise", "error.smooth",
                  "cosine.noise", "cosine.smooth"}  # fmt: skip

Make = Callable[..., Gpu]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes the device, with a driver whose only process is this one unless another driver, or None, is given."""
    with ExitStack() as stack:
        own = FakeNvml(running={os.getpid(): 5 << 20}, violations={0: 0, 1: 0})
        yield lambda driver=own: stack.enter_context(cuda_on_cpu(monkeypatch, driver))


def measured(name: str = "dct-x", ratio: int | None = 4, *, energy: bool = False, **axes: Any) -> CaseReply:
    case = Case(name, **{**CASE, "ratio": ratio, **axes})
    return serve.measure(MeasureRequest(case, sampling=QUICK, energy=energy))


def figures(reply: CaseReply) -> dict[str, list[float]]:
    return {each.metric: each.samples for each in reply.measurements}


def said(reply: CaseReply) -> str:
    return "\n".join(message(read_warning(warning)) for warning in reply.warnings)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("name", "ratio"), [("sdpa", None), ("dct-x", 4), ("none", None)])
def test_a_case_gets_every_figure_of_a_gpu(make: Make, name: str, ratio: int | None, dtype: str) -> None:
    make()
    reply = measured(name, ratio, dtype=dtype)
    assert reply.status == "ok", reply.message
    assert set(figures(reply)) == DEVICE_FIGURES
    assert figures(reply)["kernel_time"] == [pytest.approx(42.5e-6)]
    assert figures(reply)["memory.tensor"] == [4096]
    assert figures(reply)["memory.process"] == [5 << 20]
    assert "not measured" not in said(reply)


def test_the_details_say_what_the_figures_depend_on(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    monkeypatch.setenv("CUDA_LAUNCH_BLOCKING", "1")
    details = ResultDetails.from_json(measured().details)
    assert (details.device_name, details.compute_capability, details.kernels) == ("Made-up GPU", "9.0", 2)
    assert details.swept_bytes == 2 << 20
    assert details.calls_per_sample == 1
    assert details.cuda is not None
    assert details.cuda["allocator"] == "native"
    assert details.cuda["variables"] == {"CUDA_LAUNCH_BLOCKING": "1"}
    assert details.tf32 is not None
    assert details.tf32["matmul"] is False
    assert details.kernel  # the one inside the method, not of torch's choice alone


@pytest.mark.parametrize("mode", ["backward", "train"])
def test_gradients_are_timed_and_queued_too(make: Make, mode: str) -> None:
    make()
    reply = measured(mode=mode)
    assert reply.status == "ok", reply.message
    assert {"latency", "queued_time", "memory.tensor"} <= set(figures(reply))


def test_attention_alone_is_measured(make: Make) -> None:
    make()
    reply = measured("sdpa", None, scope="attention")
    assert reply.status == "ok", reply.message
    assert {"queued_time", "kernel_time"} <= set(figures(reply))


def test_a_graph_is_recorded_once_and_replayed_for_every_call(make: Make) -> None:
    gpu = make()
    torch.manual_seed(0)
    layer = build("dct-x", seq_len=64, dim=16, heads=2, ratio=4, device="cuda:0").eval()
    graphed = Graphed(layer)
    with torch.inference_mode():
        for replays in range(1, 4):
            x = torch.randn(2, 64, 16)
            assert torch.allclose(graphed(x), layer(x), atol=1e-6)
            assert gpu.replays == replays
    reply = measured(engine="cudagraph")
    assert reply.status == "ok", reply.message
    assert "compile" in figures(reply)
    assert gpu.replays > 20


def test_the_cache_is_emptied_before_each_call_of_every_kind_and_never_for_a_warm_one(make: Make) -> None:
    gpu = make()

    def count(time: Callable[[], object]) -> int:
        before = gpu.swept
        time()
        return gpu.swept - before

    call = lambda prepared=None: torch.ones(8) + 1  # noqa: E731
    for cache, each in (("cold", 1), ("warm", 0)):
        stopwatch = cuda.stopwatch("cuda:0", cache)  # type: ignore[arg-type]
        assert count(lambda: [stopwatch(call) for _ in range(5)]) == 5 * each  # noqa: B023
        queued = count(lambda: cuda.queued_seconds("cuda:0", lambda number: None, call, cache, 5))  # type: ignore[arg-type] # noqa: B023
        assert queued >= 5 if each else queued == 0
        assert count(lambda: cuda.kernel_seconds("cuda:0", call, cache)) == 3 * each  # type: ignore[arg-type] # noqa: B023


def test_a_call_that_waits_for_the_host_is_launch_bound(make: Make) -> None:
    make().queued_ms = 1e-3
    reply = measured()
    assert figures(reply)["queued_time"] == [pytest.approx(1e-6)]
    assert "latency: launch-bound: the GPU waits for the host" in said(reply)


def test_a_call_that_waits_for_the_gpu_cannot_be_queued(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    monkeypatch.setattr("dctbench.worker.devices.cuda_timing._spin", lambda cycles: None)
    reply = measured()
    assert reply.status == "ok"
    assert "queued_time" not in figures(reply)
    assert "cannot be queued ahead" in reply.details["queued_time.absent"]


def test_a_failing_allocation_is_out_of_memory_with_its_size(make: Make) -> None:
    make().most_bytes = 3 << 20
    reply = measured("full", None, seq_len=1024, head_dim=512)
    assert reply.status == "oom", reply.message
    assert "Tried to allocate 4.00 MiB" in str(reply.message)


def test_what_cannot_fit_is_not_tried(make: Make) -> None:
    make()
    reply = measured("full", None, seq_len=1 << 17)
    assert reply.status == "oom"
    assert "(estimate)" in str(reply.message)


def test_a_clock_held_by_a_power_cap_is_reported_with_its_share(make: Make) -> None:
    driver = FakeNvml(running={}, violations={0: 0, 1: 0}, violation_step=10**15)
    make(driver)
    reply = measured()
    assert "the GPU's clock was limited by: power cap, thermal" in said(reply)
    assert set(reply.details["gpu"]["limited"]) == {"power cap", "thermal"}


def test_without_nvml_a_case_is_measured_and_says_what_is_not_known(make: Make) -> None:
    make(None)
    reply = measured(energy=True)
    assert reply.status == "ok", reply.message
    assert set(figures(reply)) == DEVICE_FIGURES - {"memory.process"}
    assert "clocks and throttling of the GPU are not known" in said(reply)
    assert "nvidia-ml-py" in reply.details["energy.absent"]
    assert "nvidia-ml-py" in reply.details["memory.process.absent"]


def test_energy_that_is_switched_off_is_not_measured(make: Make) -> None:
    make()
    reply = measured()
    assert "energy" not in figures(reply)
    assert "energy.absent" not in reply.details


def test_a_profiler_without_device_times_leaves_the_split_out(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    nothing = nullcontext(SimpleNamespace(function_events=None))
    monkeypatch.setattr("dctbench.worker.metrics.split.profile", lambda **options: nothing)
    reply = measured()
    assert "split" not in reply.details
    assert reply.details["split.absent"] == "the profiler has no times of the device"


def test_a_setting_that_torch_refuses_to_tell_does_not_cost_the_case(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()

    def mixed() -> str:
        raise RuntimeError("mix of the legacy and new APIs")

    monkeypatch.setattr(torch, "get_float32_matmul_precision", mixed)
    reply = measured()
    assert reply.status == "ok", reply.message
    assert reply.details["tf32"] == {"matmul": False, "cudnn": torch.backends.cudnn.allow_tf32}


def test_a_description_that_fails_keeps_the_measurements(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make()

    def broken(name: str) -> object:
        raise RuntimeError("driver gone")

    monkeypatch.setattr(cuda, "describe", broken)
    reply = measured()
    assert reply.status == "ok"
    assert "latency" in figures(reply)
    assert "description: not measured (RuntimeError: driver gone)" in said(reply)


@pytest.mark.parametrize(("override", "expected"), [("1", 1e-2), ("0", 2e-5), (None, 2e-5)])
def test_the_tolerance_of_an_exact_method_follows_tf32(
    make: Make, monkeypatch: pytest.MonkeyPatch, override: str | None, expected: float
) -> None:
    make()
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    if override is not None:
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", override)
    details = ResultDetails.from_json(measured("sdpa", None).details)
    assert details.tolerance == expected
    assert details.tf32 is not None
    assert details.tf32["matmul"] is (override == "1")


def test_a_device_that_torch_cannot_use_keeps_torchs_reason(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make()

    def old_driver() -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040).\nPlease update")

    monkeypatch.setattr(torch.cuda, "init", old_driver)
    reply = measured()
    assert (reply.status, reply.details) == ("skipped", {"device_unusable": True})
    assert "The NVIDIA driver on your system is too old" in str(reply.message)
    assert serve.probe(["cpu", "cuda:0"]).unusable == {"cuda:0": reply.message}


def test_a_gpu_that_another_process_holds_is_tried_and_refused(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make()

    def held(index: int) -> None:
        raise RuntimeError("CUDA error: CUDA-capable device(s) is/are busy or unavailable\nCUDA kernel errors might")

    monkeypatch.setattr(cuda, "_wait", held)
    assert "busy or unavailable" in str(cuda.unavailable("cuda:0"))
    assert "CUDA kernel errors" not in str(cuda.unavailable("cuda:0"))


@pytest.mark.parametrize(
    ("capability", "built", "expected"),
    [
        ((8, 9), ["sm_80", "sm_86", "sm_90"], True),  # RTX 40 and L4 run the code of sm_86
        ((9, 0), ["sm_90a"], True),
        ((9, 0), ["sm_80", "sm_86"], False),
        ((8, 0), ["sm_86"], False),
        ((12, 0), ["sm_90", "compute_90"], False),
        ((10, 3), ["sm_100"], True),
        ((10, 3), ["sm_100a"], False),
    ],
)
def test_code_for_a_lower_minor_number_is_code_of_its_own(
    capability: tuple[int, int], built: list[str], expected: bool
) -> None:
    assert has_code_for(*capability, built) is expected
