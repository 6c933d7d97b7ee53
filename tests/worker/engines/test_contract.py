"""The contract of every engine that runs exported models, over every method in the catalog."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dctbench import catalog
from dctbench.catalog.engines import ENGINES, require
from dctbench.errors import UnavailableError, UnsupportedError
from dctbench.model import Case, ResultDetails
from dctbench.protocol import CaseReply
from dctbench.transforms.planner import CostModel, plan_dct
from dctbench.worker.measure import measure_case
from dctbench.worker.metrics.latency import Sampling
from tests.attention.test_contract import HERE

EXPORTED = [name for name, engine in ENGINES.items() if engine.exported]
QUICK = Sampling(warmup_least=0.001, warmup_most=0.05, samples_least=3, samples_most=3, budget=0.05)
UNSUPPORTED = {
    ("delta-net", "openvino"): "OpenVINO refuses the model",
    ("delta-net-bidirectional", "openvino"): "OpenVINO refuses the model",
    ("gated-delta-net", "openvino"): "OpenVINO refuses the model",
    ("gated-delta-net-bidirectional", "openvino"): "OpenVINO refuses the model",
    ("reformer", "onnxruntime"): "prims.copy_to", ("reformer", "openvino"): "prims.copy_to",
    ("fnet", "openvino"): "OpenVINO refuses the model",
}  # fmt: skip
"""The methods that do not export, with the operator at fault, and those that an engine refuses."""
KERNELS = {"sdpa-flash", "sdpa-efficient", "sdpa-cudnn"}
"""The methods that are one kernel of torch: exported, they would be another one."""

pytestmark = [
    pytest.mark.skipif(ENGINES[name].missing() is not None, reason=f"engine {name} is not installed")
    for name in EXPORTED
]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where models are kept, so that each method is exported once."""
    return tmp_path_factory.mktemp("models")


def case_of(name: str, engine: str) -> Case:
    ratio = 4 if catalog.IMPLEMENTATIONS[name].uses_ratio else None
    return Case(name, 32, ratio, heads=2, head_dim=8, engine=engine, threads=1)


def measured(case: Case, scratch: Path) -> tuple[CaseReply, Mapping[str, float], ResultDetails]:
    device = catalog.DEVICES["cpu"].load()
    reply = measure_case(case, device, sampling=QUICK, scratch=str(scratch))
    values = {figures.metric: figures.samples[0] for figures in reply.measurements}
    return reply, values, ResultDetails.from_json(reply.details)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", [name for name in HERE if name not in KERNELS])
def test_a_method_runs_in_every_float_engine_as_in_torch_or_says_which_operator_does_not(
    name: str, scratch: Path
) -> None:
    for engine in (one for one in EXPORTED if ENGINES[one].precision == "float32"):
        if (name, engine) in UNSUPPORTED:
            with pytest.raises(UnsupportedError, match=UNSUPPORTED[name, engine]) as refused:
                measured(case_of(name, engine), scratch)
            assert len(refused.value.message) < 400
            assert refused.value.message.isprintable()
            continue
        before = set(scratch.glob("*.onnx"))
        _, values, details = measured(case_of(name, engine), scratch)
        made = set(scratch.glob("*.onnx")) - before
        assert values["error.engine"] <= 1e-4
        assert ("compile" in values) == (len(made) == 1)  # the other engine reads the same file
        assert values["memory.state"] in {file.stat().st_size for file in scratch.glob("*.onnx")}
        assert values["setup"] > 0
        assert "memory.tensor" in details.absent
        assert details.int8_share is None
        assert "rfft" not in (details.plan or "")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("engine", [name for name in EXPORTED if ENGINES[name].precision != "float32"])
def test_int8_states_its_error_and_how_much_of_the_work_it_covers(engine: str, scratch: Path) -> None:
    """Dynamic quantisation leaves the products of attention and of the transform in float. A static one covers all."""
    for name in ("sdpa", "dct-x"):
        _, values, details = measured(case_of(name, engine), scratch)
        assert 1e-3 < values["error.engine"] < 0.5
        assert details.int8_share is not None
        assert details.int8_share == 1 if ENGINES[engine].precision == "int8-static" else 0 < details.int8_share < 1


def test_dynamic_quantisation_covers_the_projections_alone(scratch: Path) -> None:
    """Four projections of n d^2 beside two products of n^2 d: for n = 32 and d = 16, one half of the multiply-adds."""
    _, _, details = measured(case_of("sdpa", "onnxruntime-int8"), scratch)
    assert details.int8_share == 0.5


@pytest.mark.parametrize("other", [{"mode": "train"}, {"dtype": "bfloat16"}])
def test_what_an_engine_does_not_run_is_unsupported(other: dict[str, Any], scratch: Path) -> None:
    for engine in EXPORTED:
        with pytest.raises(UnsupportedError, match="runs a forward pass in float32"):
            measured(replace(case_of("sdpa", engine), **other), scratch)


def test_no_plan_of_a_transform_has_an_fft_where_there_is_none() -> None:
    for length, kept in ((6000, 6000), (8192, 4096)):
        model = CostModel(fft=1e15)  # so fast that it would always be chosen
        assert plan_dct(length, kept, 64, cost_model=model).algorithm == "rfft"
        assert plan_dct(length, kept, 64, cost_model=replace(model, fft=0.0)).algorithm != "rfft"


def test_an_engine_that_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openvino" else object())
    require(["eager", "onnxruntime"])
    with pytest.raises(UnavailableError, match="engine openvino is not installed") as refused:
        require(["openvino"])
    assert refused.value.hint == "pip install 'dctbench[openvino]'"
    assert refused.value.exit_code == 6
