"""A machine without a GPU, whichever torch it has: `.ci/cuda` runs these tests with a build for CUDA."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dctbench.model import Case
from dctbench.transforms import default_cost_model, plan_dct
from dctbench.worker import torch_info
from dctbench.worker.devices import cuda
from dctbench.worker.workload import make_module
from tests.support.command import Cli

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
REASON = "torch cannot use it: " if torch.version.cuda else f"this torch ({torch.__version__}) was built without CUDA"


def test_torch_says_why_it_cannot_be_used() -> None:
    assert str(cuda.unavailable("cuda:0")).startswith(f"cuda:0: {REASON}")
    assert "\n" not in str(cuda.unavailable("cuda:0"))


def test_the_facts_of_torch_name_its_build_and_no_gpu() -> None:
    facts = torch_info.torch_facts()
    assert facts["cuda"] == torch.version.cuda
    assert facts["gpus"] == []
    assert list(facts["kernels"]) == ["cpu"]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["sdpa", "dct-x", "dct-kv"])
def test_a_case_is_planned_as_on_a_gpu(name: str, dtype: str) -> None:
    case = Case(name, 4096, None if name == "sdpa" else 8, device="cuda:0", dtype=dtype)
    layer = make_module(case, "meta")
    assert layer(torch.empty(1, 4096, 512, device="meta", dtype=getattr(torch, dtype))).shape == (1, 4096, 512)
    if name != "sdpa":
        model = default_cost_model("cuda", getattr(torch, dtype))
        expected = plan_dct(4096, 512, 512, dtype=getattr(torch, dtype), device_type="cuda", cost_model=model)
        assert str(layer.plan).startswith(str(expected))


@pytest.mark.parametrize("more", [(), ("--dry-run",)], ids=["run", "dry-run"])
def test_a_run_is_refused_in_a_sentence_with_the_remedy(cli: Cli, tmp_path: Path, more: tuple[str, ...]) -> None:
    done = cli("run", "--impl", "sdpa", "--seq", "64", "--device", "cuda:0", *more)
    assert done.code == 6
    reason, remedy = done.err.splitlines()
    assert reason.startswith("dctbench: cuda:0: ")
    assert "`dctbench list devices`" in remedy
    assert done.out == ""
    assert list(tmp_path.iterdir()) == []


def test_doctor_tells_of_the_build_and_of_the_gpu_that_is_not_there(cli: Cli) -> None:
    found = {one["check"]: one for one in cli("doctor", "--format", "json").json()}
    assert torch.__version__ in found["torch"]["found"]
    assert found["GPU"]["state"] == "ok"
    build = " and this torch is built for CUDA" if torch.version.cuda else ""
    assert found["GPU"]["found"] == f"none: no NVIDIA driver on this machine{build}; everything runs on the CPU"
