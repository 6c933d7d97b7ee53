"""A whole case in this process: the calls to the device, what is stored, and what is absent with a reason."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dctbench.errors import UnavailableError, UnsupportedError
from dctbench.model import Case, CaseWarning, ResultDetails
from dctbench.protocol import CaseReply, MeasureRequest
from dctbench.text.warning_values import read_warning
from dctbench.transforms import plan_dct
from dctbench.wording.warnings import message
from dctbench.worker import serve
from dctbench.worker.devices import Conditions, cpu
from dctbench.worker.measure import measure_case
from dctbench.worker.metrics import energy
from dctbench.worker.metrics.latency import Sampling

CASE = Case("dct-x", 64, 4, heads=2, head_dim=8)
QUICK = {"warmup_least": 0.0, "warmup_most": 0.01, "budget": 0.01, "samples_least": 3}


def device(**replaced: Any) -> Any:
    """Return the CPU device with some of its functions replaced."""
    return SimpleNamespace(**{**vars(cpu), **replaced})


def measured(**replaced: Any) -> CaseReply:
    return measure_case(CASE, device(**replaced), sampling=Sampling(**QUICK), scratch=None)  # type: ignore[arg-type]


def messages(answer: CaseReply) -> list[str]:
    return [message(read_warning(warning)) for warning in answer.warnings]


def value(answer: CaseReply, metric: str) -> float | None:
    found = [m.samples[0] for m in answer.measurements if m.metric == metric]
    return found[0] if found else None


def test_what_the_machine_cannot_measure_is_absent_with_the_reason_and_no_warning() -> None:
    def no_meter(name: str) -> object:
        raise UnavailableError("no meter")

    answer = measured(energy_counter=no_meter)
    assert (value(answer, "energy"), value(answer, "memory.process"), value(answer, "kernel_time")) == (None,) * 3
    assert answer.details["energy.absent"] == "no meter"
    assert "8 MiB" in answer.details["memory.process.absent"]
    assert [text for text in messages(answer) if not text.startswith("latency: ")] == []


def test_a_pass_that_fails_keeps_the_rest_and_warns() -> None:
    def breaks(name: str, call: object) -> int:
        raise ValueError("broken meter")

    answer = measured(peak_tensor_bytes=breaks)
    assert "memory.tensor: not measured (ValueError: broken meter)" in messages(answer)
    assert value(answer, "latency") is not None
    assert value(answer, "error.noise") is not None


def test_a_value_that_is_not_finite_is_omitted_with_a_warning_that_names_it() -> None:
    answer = measured(peak_tensor_bytes=lambda name, call: float("nan"))
    assert value(answer, "memory.tensor") is None
    assert value(answer, "flops") is not None
    assert "memory.tensor: not measured (memory.tensor came out as nan)" in messages(answer)


def test_a_device_with_every_sensor_fills_every_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "measure", lambda call, synchronize, counter: energy.Energy(0.25, 60.0, 100))
    answer = measured(
        energy_counter=lambda name: SimpleNamespace(source="made up"),
        kernel_seconds=lambda name, call: (1e-4, 7),
        process_bytes=lambda name, call: 9 << 20,
        describe=lambda name: ResultDetails(tf32={"cudnn": False}),
    )
    assert (value(answer, "energy"), value(answer, "kernel_time"), value(answer, "memory.process")) == (
        0.25, 1e-4, 9 << 20,
    )  # fmt: skip
    assert answer.details["kernels"] == 7
    assert answer.details["energy"] == {"source": "made up", "idle_watts": 60.0, "calls": 100}
    assert answer.details["tf32"] == {"cudnn": False}


def test_retaken_samples_are_stored_apart_and_the_result_is_marked_noisy() -> None:
    watch = SimpleNamespace(
        disturbed=lambda: "slow clock",
        conditions=lambda: Conditions((CaseWarning.text("it was hot"),), ResultDetails(gpu={"after": 1})),
    )
    answer = measured(watch=lambda name, paired: watch)
    assert len(answer.details["retaken"]) == 3
    assert answer.details["noisy"].startswith("slow clock")
    assert answer.details["gpu"] == {"after": 1}
    assert "it was hot" in messages(answer)
    assert any(text.startswith("latency: noisy: slow clock") for text in messages(answer))


def test_later_rounds_take_the_latency_and_what_belongs_to_the_process() -> None:
    answer = serve.measure(MeasureRequest(CASE, QUICK, timing_only=True))
    assert {m.metric for m in answer.measurements} == {"setup", "memory.state", "first_call", "latency"}


@pytest.mark.parametrize(("cache", "stored"), [(None, "warm"), ("warm", "warm"), ("cold", "cold, ")])
def test_the_state_of_the_cache_is_stored_and_a_cold_call_is_a_sample_of_its_own(cache: Any, stored: str) -> None:
    answer = serve.measure(MeasureRequest(CASE, QUICK, cache=cache, timing_only=True))
    assert answer.details["cache"].startswith(stored)
    if cache == "cold":  # with a warm cache it depends on the time of a call
        assert answer.details["calls_per_sample"] == 1


def test_a_device_that_cannot_empty_its_cache_makes_a_cold_case_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(name: str, cache: str) -> object:
        raise UnsupportedError("no size is known")

    monkeypatch.setattr(cpu, "stopwatch", refuses)
    answer = serve.measure(MeasureRequest(CASE, QUICK, cache="cold"))
    assert (answer.status, answer.message) == ("unsupported", "no size is known")


@pytest.mark.parametrize("scope", ["attention", "layer", "encoder"])
@pytest.mark.parametrize("name", ["dct-resample", "dct-kv"])
def test_the_stored_plan_names_the_long_transform_and_the_short_one(name: str, scope: str) -> None:
    case = Case(name, 512, 4, scope=scope)
    long, short = plan_dct(512, 128, case.dim), plan_dct(128, 128, case.dim)
    answer = serve.measure(MeasureRequest(case, QUICK, timing_only=True))
    assert answer.details["plan"] == f"{long} + {short}"


@pytest.mark.parametrize(
    ("name", "kernel"),
    [("dct-x", "flash"), ("sdpa", "flash"), ("sdpa-math", "math"), ("window", "flash"), ("full", None)],
)
def test_the_kernel_inside_a_method_is_recorded(name: str, kernel: str | None) -> None:
    case = Case(name, 64, 4 if name == "dct-x" else None, heads=2, head_dim=8)
    answer = measure_case(case, device(), sampling=Sampling(**QUICK), scratch=None)  # type: ignore[arg-type]
    assert answer.details.get("kernel") == kernel
