"""The contract of every engine that runs exported models, over every method in the catalog."""

from __future__ import annotations

import importlib.util
import itertools
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dctbench import catalog
from dctbench.catalog.engines import ENGINES, require
from dctbench.errors import UnavailableError, UnsupportedError
from dctbench.model import Case, ResultDetails
from dctbench.protocol import CaseReply
from dctbench.transforms.planner import CostModel, plan_dct
from dctbench.worker.collected import Collected
from dctbench.worker.engines.deployed import deploy, model_file
from dctbench.worker.measure import measure_case
from dctbench.worker.metrics import inputs
from dctbench.worker.metrics.latency import Sampling
from dctbench.worker.workload import gradients, make_arguments, make_module, make_workload
from tests.attention.test_contract import HERE

EXPORTED = [name for name, engine in ENGINES.items() if engine.exported]
FLOAT = [name for name in EXPORTED if ENGINES[name].precision == "float32"]
INT8 = [name for name in EXPORTED if ENGINES[name].precision != "float32"]
QUICK = Sampling(warmup_least=0.001, warmup_most=0.05, samples_least=3, samples_most=3, budget=0.05)
UNSUPPORTED = {
    ("delta-net", "openvino"): "OpenVINO refuses the model",
    ("delta-net-bidirectional", "openvino"): "OpenVINO refuses the model",
    ("gated-delta-net", "openvino"): "OpenVINO refuses the model",
    ("gated-delta-net-bidirectional", "openvino"): "OpenVINO refuses the model",
    ("reformer", "onnxruntime"): "prims.copy_to", ("reformer", "openvino"): "prims.copy_to",
    ("fnet", "openvino"): "OpenVINO refuses the model",
    **{
        (name, "executorch"): "ExecuTorch refuses the model: .*xnn_status_unsupported_parameter"
        for name in ("delta-net", "delta-net-bidirectional", "gated-delta-net", "gated-delta-net-bidirectional")
    },
    ("reformer", "executorch"): "ExecuTorch cannot lower it: aten.sort.stable",
    ("window", "executorch"): "ExecuTorch cannot lower it: aten.view.default",
}  # fmt: skip
"""The methods that do not export, with the operator at fault, and those that an engine refuses."""
KERNELS = {"sdpa-flash", "sdpa-efficient", "sdpa-cudnn"}
"""The methods that are one kernel of torch: exported, they would be another one."""

ANNOUNCED = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
"""What the exporters say of torch's own changes."""


def installed(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(ENGINES[name].missing() is not None, reason=f"engine {name} is not installed")


def chosen(names: list[str]) -> list[Any]:
    """These engines as parameters of a test, which skips those that are not installed."""
    return [pytest.param(name, marks=installed(name)) for name in names]


FORMS = [
    pytest.param([name for name in FLOAT if ENGINES[name].form == form], marks=marks, id=form)
    for form, *marks in (
        ("onnx", installed("onnxruntime"), installed("openvino")),
        ("pte", installed("executorch")),
    )
]
"""The float engines by the form of model that they share."""


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where models are kept, so that each method is exported once."""
    return tmp_path_factory.mktemp("models")


def case_of(name: str, engine: str) -> Case:
    ratio = 4 if catalog.IMPLEMENTATIONS[name].uses_ratio else None
    seq_len = 512 if name == "window" else 32  # it computes the whole matrix of a short sequence
    return Case(name, seq_len, ratio, heads=2, head_dim=8, engine=engine, threads=1)


def measured(case: Case, scratch: Path) -> tuple[CaseReply, Mapping[str, float], ResultDetails]:
    device = catalog.DEVICES["cpu"].load()
    reply = measure_case(case, device, sampling=QUICK, scratch=str(scratch))
    values = {figures.metric: figures.samples[0] for figures in reply.measurements}
    return reply, values, ResultDetails.from_json(reply.details)


@ANNOUNCED
@pytest.mark.parametrize("engines", FORMS)
@pytest.mark.parametrize("name", [name for name in HERE if name not in KERNELS])
def test_a_method_runs_in_every_float_engine_as_in_torch_or_says_which_operator_does_not(
    name: str, engines: list[str], scratch: Path
) -> None:
    suffix = f"*.{ENGINES[engines[0]].form}"
    for engine in engines:
        if (name, engine) in UNSUPPORTED:
            with pytest.raises(UnsupportedError, match=UNSUPPORTED[name, engine]) as refused:
                measured(case_of(name, engine), scratch)
            assert len(refused.value.message) < 400
            assert refused.value.message.isprintable()
            continue
        before = set(scratch.glob(suffix))
        _, values, details = measured(case_of(name, engine), scratch)
        made = set(scratch.glob(suffix)) - before
        assert values["error.engine"] <= 1e-4
        assert ("compile" in values) == (len(made) == 1)  # the other engine reads the same file
        assert values["memory.state"] in {file.stat().st_size for file in scratch.glob(suffix)}
        assert values["setup"] > 0
        assert "memory.tensor" in details.absent
        assert details.int8_share is None
        assert "rfft" not in (details.plan or "")


@ANNOUNCED
@pytest.mark.parametrize("engine", chosen(INT8))
def test_int8_states_its_error_and_how_much_of_the_work_it_covers(engine: str, scratch: Path) -> None:
    """Dynamic quantisation leaves the products of attention and of the transform in float. A static one covers all."""
    for name in ("sdpa", "dct-x"):
        _, values, details = measured(case_of(name, engine), scratch)
        assert 1e-3 < values["error.engine"] < 0.5
        assert details.int8_share is not None
        assert details.int8_share == 1 if ENGINES[engine].precision == "int8-static" else 0 < details.int8_share < 1


@ANNOUNCED
@pytest.mark.parametrize("engine", chosen([name for name in INT8 if ENGINES[name].precision == "int8"]))
def test_dynamic_quantisation_covers_the_projections_alone(engine: str, scratch: Path) -> None:
    """Four projections of n d^2 beside two products of n^2 d: for n = 32 and d = 16, one half of the multiply-adds.

    dct-x keeps m = 8 coefficients: four projections of m d^2 beside two transforms of n m d and two products of m^2 d.
    """
    for name, share in (("sdpa", 0.5), ("dct-x", 8192 / (8192 + 8192 + 2048))):
        _, values, details = measured(case_of(name, engine), scratch)
        assert details.int8_share == pytest.approx(share, abs=1e-4)
        assert values["setup"] > 0


@installed("onnxruntime")
def test_the_share_in_int8_counts_products_that_broadcast_and_transpose(tmp_path: Path) -> None:
    """In int8: 3 x (4 x 16) @ (16 x 8) = 1536. In float: 12 x 8 @ 8 x 32 = 3072, and as much with both transposed."""
    import onnx

    from dctbench.worker.engines.export import quantised_share

    tensor, node = onnx.helper.make_tensor_value_info, onnx.helper.make_node
    shapes = {"a": (1, 4, 16), "b": (3, 16, 8), "wide": (32, 8), "tall": (8, 12)}
    kinds = {"a": onnx.TensorProto.UINT8, "b": onnx.TensorProto.UINT8}
    graph = onnx.helper.make_graph(
        [
            node("MatMulInteger", ["a", "b"], ["ab"]),
            node("Transpose", ["tall"], ["rows"], perm=[1, 0]),
            node("Gemm", ["rows", "wide"], ["first"], transB=1),
            node("Gemm", ["tall", "wide"], ["second"], transA=1, transB=1),
        ],
        "products",
        [tensor(name, kinds.get(name, onnx.TensorProto.FLOAT), shape) for name, shape in shapes.items()],
        [
            tensor("ab", onnx.TensorProto.INT32, (3, 4, 8)),
            *(tensor(name, onnx.TensorProto.FLOAT, (12, 32)) for name in ("first", "second")),
        ],
    )
    model = onnx.helper.make_model(graph)
    onnx.checker.check_model(model)
    onnx.save(model, tmp_path / "products.onnx")
    assert quantised_share(tmp_path / "products.onnx") == 1536 / (1536 + 2 * 3072)


@ANNOUNCED
@pytest.mark.parametrize("engines", FORMS)
def test_queries_keys_and_values_that_are_not_contiguous_are_read_in_order(engines: list[str], scratch: Path) -> None:
    for engine in engines:
        _, values, _ = measured(replace(case_of("sdpa", engine), scope="attention"), scratch)
        assert values["error.engine"] <= 1e-4


@ANNOUNCED
@installed("executorch")
def test_the_weights_of_a_program_in_int8_take_a_quarter_of_the_memory(scratch: Path) -> None:
    sizes = []
    for engine in ("executorch", "executorch-int8"):
        _, values, _ = measured(replace(case_of("sdpa", engine), heads=8, head_dim=32), scratch)
        sizes.append(values["memory.state"])
    weights = 4 * 4 * 256**2
    assert weights < sizes[0] < 1.1 * weights
    assert weights / 4 < sizes[1] < 1.3 * weights / 4


@ANNOUNCED
@installed("executorch")
def test_the_outputs_of_two_inputs_do_not_share_memory_where_both_are_kept(scratch: Path) -> None:
    """All calls of a program write to the same memory."""
    case = case_of("sdpa", "executorch")
    with gradients(case):
        subject = make_workload(case, make_module(case))
        deployed, eager = deploy(case, subject, str(scratch), None, Collected())
        torch.testing.assert_close(eager, subject.output(subject.first))
        first, second = (deployed.output(arguments) for arguments in subject.arguments[:2])
        for seen, arguments in ((first, subject.arguments[0]), (second, subject.arguments[1])):
            torch.testing.assert_close(seen, subject.output(arguments), rtol=1e-4, atol=1e-5)
        bound = [deployed.prepare(number) for number in range(2)]
        for number in (0, 1, 0):  # bound once, and run in any order
            torch.testing.assert_close(deployed.call(bound[number]), (first, second)[number])


@ANNOUNCED
@installed("executorch")
def test_a_program_computes_with_as_many_threads_as_asked(scratch: Path) -> None:
    """By the processor time of the threads that did not make the calls. On a busy machine the second one may wait."""
    from dctbench.worker.engines.execu_torch import ExecuTorch
    from dctbench.worker.engines.lowering import lower

    path, rows = scratch / "linear.pte", torch.randn(1024, 512)
    lower(torch.nn.Linear(512, 512).eval(), (rows,), path, "float32")

    def share_of_other_threads(threads: int, least: float = 0.0) -> float:
        session = ExecuTorch(path, threads)
        bound = session.bind((rows,), rows)
        session.run(bound)
        whole, own = time.process_time(), time.thread_time()
        until = time.monotonic() + 60
        while True:
            for _ in range(40):
                session.run(bound)
            spent = time.process_time() - whole
            share = (spent - (time.thread_time() - own)) / spent
            if share >= least or time.monotonic() > until:
                return share

    assert share_of_other_threads(1) < 0.05
    assert share_of_other_threads(2, least=0.1) >= 0.1
    assert share_of_other_threads(1) < 0.05


def ticks() -> Callable[[], float]:
    """A clock that goes on by a second each time that it is read."""
    seconds = itertools.count()
    return lambda: float(next(seconds))


@installed("onnxruntime")
def test_a_static_quantisation_is_calibrated_on_inputs_that_nothing_is_measured_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dctbench.worker.engines import export

    calibrated: list[list[Tensor]] = []

    def quantise(model: Path, path: Path, precision: str, drawn: list[list[Tensor]]) -> None:
        calibrated.extend(drawn)
        path.touch()

    monkeypatch.setattr(export, "export", lambda module, arguments, path: path.touch())
    monkeypatch.setattr(export, "quantise", quantise)
    monkeypatch.setattr(export, "quantised_share", lambda path: 0.5)
    case = case_of("sdpa", "onnxruntime-int8-static")
    subject = make_workload(case, make_module(case))
    model_file(case, subject, tmp_path, None, Collected(), ticks())
    of_errors = [make_arguments(case, draw) for draw in (inputs.noise, inputs.smooth)]
    measured = [*subject.arguments, subject.first, *of_errors]
    assert len(calibrated) == 4
    for [x] in calibrated:
        assert not any(torch.equal(x, known) for [known] in measured)


@installed("onnxruntime")
def test_compile_is_the_time_of_what_is_made_and_of_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dctbench.worker.engines import export

    monkeypatch.setattr(export, "export", lambda module, arguments, path: path.touch())
    monkeypatch.setattr(export, "quantise", lambda model, path, precision, inputs: path.touch())
    monkeypatch.setattr(export, "quantised_share", lambda path: 0.5)

    def compile_time(engine: str) -> list[list[float]]:
        case = case_of("sdpa", engine)
        collected = Collected()
        model_file(case, make_workload(case, make_module(case)), tmp_path, None, collected, ticks())
        assert {figures.metric for figures in collected.measurements} <= {"compile"}
        return [figures.samples for figures in collected.measurements]

    assert compile_time("onnxruntime-int8-static") == [[2.0]]  # exported, and quantised
    for engine in ("onnxruntime", "onnxruntime-int8-static"):  # their files are there
        assert compile_time(engine) == []
    assert compile_time("onnxruntime-int8") == [[1.0]]


@ANNOUNCED
@installed("onnxruntime")
def test_the_time_to_load_a_model_is_not_that_of_importing_its_engine(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0

    def takes_a_minute(target: str) -> Any:
        nonlocal now
        now += 60.0
        return catalog.load_target(target)

    monkeypatch.setattr("dctbench.catalog.engines.load_target", takes_a_minute)
    case, collected = case_of("sdpa", "onnxruntime"), Collected()
    with gradients(case):
        deploy(case, make_workload(case, make_module(case)), str(scratch), None, collected, lambda: now)
    assert now == 60.0
    assert [figures.samples for figures in collected.measurements if figures.metric == "setup"] == [[0.0]]


@ANNOUNCED
@installed("onnxruntime")
def test_the_first_call_of_an_engine_is_the_one_that_is_measured(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dctbench.worker.engines.onnx_runtime import OnnxRuntime

    def run(*_: Any) -> None:
        pytest.fail("the engine was called before the call that is measured")

    monkeypatch.setattr(OnnxRuntime, "run", run)
    case, collected = case_of("sdpa", "onnxruntime"), Collected()
    with gradients(case):
        deploy(case, make_workload(case, make_module(case)), str(scratch), None, collected)
    assert "error.engine" not in {figures.metric for figures in collected.measurements}


@installed("executorch")
def test_the_runtime_of_executorch_is_imported_with_its_engine() -> None:
    code = """
import sys
from dctbench.catalog.engines import ENGINES
ENGINES["executorch"].load()
assert "executorch.extension.pybindings.portable_lib" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


@pytest.mark.parametrize("other", [{"mode": "train"}, {"dtype": "bfloat16"}])
def test_what_an_engine_does_not_run_is_unsupported(other: dict[str, Any], scratch: Path) -> None:
    for engine in EXPORTED:  # also those that are not installed
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
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "executorch" else object())
    with pytest.raises(UnavailableError, match="engine executorch-int8 is not installed") as refused:
        require(["openvino", "executorch-int8"])
    assert refused.value.hint == "pip install 'dctbench[executorch]'"


@installed("executorch")
def test_a_runtime_that_does_not_load_beside_this_torch_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from dctbench.worker.engines.execu_torch import ExecuTorch

    monkeypatch.setitem(sys.modules, "executorch.extension.pybindings.portable_lib", None)
    monkeypatch.delattr("executorch.extension.pybindings.portable_lib", raising=False)
    with pytest.raises(UnavailableError, match=f"cannot be loaded together with torch {re.escape(torch.__version__)}"):
        ExecuTorch(Path("model.pte"), 1)
