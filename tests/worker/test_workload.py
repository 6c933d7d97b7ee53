"""The timed and counted step: it starts from a clean state and has the same plan on meta and on the device."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch._dynamo import exc
from torch.nn.functional import scaled_dot_product_attention

from dctbench import worker
from dctbench.attention.dct_x import DctXAttention
from dctbench.conversion.subject import first_tensor
from dctbench.errors import UnsupportedError
from dctbench.model import Case
from dctbench.protocol import MeasureRequest
from dctbench.transforms import default_cost_model, make_dct, plan_dct
from dctbench.worker import serve
from dctbench.worker.collected import Collected
from dctbench.worker.devices import cpu
from dctbench.worker.engines.deployed import Deployed
from dctbench.worker.metrics.flops import count
from dctbench.worker.metrics.latency import Timer
from dctbench.worker.passes import Untimed, observe_kernels
from dctbench.worker.progress import Progress
from dctbench.worker.what_ran import stated_flops
from dctbench.worker.workload import (
    Graphed,
    Workload,
    compiler_options,
    compiling,
    gradients,
    make_module,
    make_workload,
    meta_call,
)


@pytest.mark.parametrize(
    ("change", "frozen"),
    [({}, True), ({"mode": "train"}, False), ({"device": "cuda:0"}, False), ({"engine": "eager"}, False)],
    ids=str,
)
def test_only_a_compiled_inference_on_a_cpu_is_frozen(change: dict[str, str], frozen: bool) -> None:
    case = replace(Case("sdpa", 64, engine="compile"), **change)  # type: ignore[arg-type]
    assert compiler_options(case) == ({"freezing": True} if frozen else {})


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")  # torch's own, in its compiler
@pytest.mark.parametrize(("mode", "constant"), [("forward", True), ("train", False)])
def test_the_weights_of_a_compiled_inference_are_constants(mode: str, constant: bool) -> None:
    """A matrix that became a constant was packed: later changes of the parameter do not reach the compiled module."""
    torch._dynamo.reset()
    case = Case("linear", 64, batch=1, heads=2, head_dim=8, engine="compile", mode=mode)
    workload = make_workload(case, make_module(case, "cpu"))
    x = workload.arguments[0]
    with gradients(case), compiling(case):
        first = workload.module(*x)
    with gradients(case):
        for parameter in workload.module.parameters():
            if parameter.ndim == 2:
                parameter.data.zero_()
        again = workload.module(*x)
    assert torch.equal(again, first) is constant


def fails(error: Exception, engine: str = "compile") -> None:
    with compiling(Case("sdpa", 64, engine=engine)):
        raise error


def test_a_method_that_the_compiler_refuses_is_unsupported_with_its_reason() -> None:
    refused = exc.InternalTorchDynamoError("no lowering for aten::frob\n\nSet TORCHDYNAMO_VERBOSE=1 for more")
    with pytest.raises(UnsupportedError, match=r"^torch cannot compile it: no lowering for aten::frob$"):
        fails(refused)
    with pytest.raises(exc.InternalTorchDynamoError):
        fails(refused, engine="eager")


@pytest.mark.parametrize("error", [exc.TorchRuntimeError("a and b cannot be multiplied"), ValueError("wrong")], ids=str)
def test_an_error_of_the_method_itself_stays_one(error: Exception) -> None:
    with pytest.raises(type(error)):
        fails(error)


def test_a_layer_is_planned_for_the_batch_of_its_case() -> None:
    for batch in (1, 4096):
        layer = make_module(Case("dct-x", 256, 4, batch=batch, heads=2), "meta")
        assert isinstance(layer, DctXAttention)
        assert layer.batch == batch


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("seq_len", [1024, 4096])
def test_what_is_counted_for_a_gpu_is_planned_with_a_gpus_rates(seq_len: int, dtype: str) -> None:
    case = Case("dct-x", seq_len, 4, device="cuda:0", dtype=dtype)
    numbers = getattr(torch, dtype)
    there, here = (
        plan_dct(seq_len, seq_len // 4, case.dim, dtype=numbers, device_type=kind) for kind in ("cuda", "cpu")
    )
    assert there != here
    assert make_module(case, "meta").plan == str(there)
    transform = make_dct(
        seq_len, seq_len // 4, case.dim, cost_model=default_cost_model("cuda", numbers), dtype=numbers, device="meta"
    )
    m, d = seq_len // 4, case.dim
    expected = 2 * transform.flops(d) + 8 * m * d**2 + 4 * m**2 * d
    assert stated_flops(case) == expected
    assert count(meta_call(case)).flops == pytest.approx(expected, rel=0.02)


class Linear(nn.Module):
    """A single matrix product, whose memory is known by arithmetic."""

    def __init__(self, *, seq_len: int, dim: int, heads: int, dtype: torch.dtype, device: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(dim, dim, dtype=dtype, device=device))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight


SMALL = Case("tests.worker.test_workload:Linear", 64, heads=2, head_dim=16)
QUICK = {"warmup_least": 0.0, "warmup_most": 0.01, "budget": 0.01, "samples_least": 3}


def timed_functions(subject: Workload, calls: int = 2) -> list[CodeType | str]:
    """Return what the harness calls within the stopwatch, in order: code of Python, or the name of a C function.

    What the module calls in its turn is not among them.
    """
    harness = str(Path(str(worker.__file__)).parent)
    seen: list[CodeType | str] = []

    def note(frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and frame.f_code.co_filename.startswith(harness):
            seen.append(called.__name__)
        if event == "call" and frame.f_back is not None and frame.f_back.f_code.co_filename.startswith(harness):
            seen.append(frame.f_code)

    def stopwatch(run: Callable[[], object]) -> float:
        sys.setprofile(note)
        try:
            run()
        finally:
            sys.setprofile(None)
        return 1.0

    with gradients(subject.case):
        Timer(subject.prepare, subject.call, stopwatch).time(calls)
    return seen


def code_of(function: Any) -> CodeType:
    found: CodeType = function.__code__
    return found


@pytest.mark.parametrize("scope", ["attention", "layer", "encoder"])
@pytest.mark.parametrize("mode", ["forward", "backward", "train"])
def test_nothing_is_timed_but_one_call_and_the_module(mode: str, scope: str) -> None:
    """Gradients are dropped by attributes alone, without a walk through the modules."""
    case = Case("full", 16, heads=2, head_dim=8, scope=scope, mode=mode)
    subject = make_workload(case, make_module(case))
    forward, backward = code_of(nn.Module.__call__), code_of(Tensor.backward)
    inside = {"forward": [forward], "backward": [backward], "train": [forward, backward]}[mode]
    assert timed_functions(subject) == 2 * [code_of(subject.call), *inside]


def test_queries_keys_and_values_stay_independent_when_they_are_renewed() -> None:
    subject = make_workload(case := Case("full", 32, heads=2, head_dim=8, scope="attention"), make_module(case))
    for call in range(400):
        subject.renew(range(call, call + 1))
    for arguments in subject.arguments:
        q, k, v = (argument.flatten(0, 1) for argument in arguments)
        for one, other in ((q, k), (q, v), (k, v)):
            assert not (one == other).all(-1).any()


class Doubles:
    """A session of an engine that doubles its input."""

    def bind(self, arguments: Sequence[Tensor], output: Tensor) -> tuple[Tensor, Tensor]:
        return arguments[0], output

    def run(self, bound: tuple[Tensor, Tensor]) -> Tensor:
        return torch.mul(bound[0], 2, out=bound[1])


def test_nothing_is_timed_of_an_engine_but_its_own_run() -> None:
    case = Case("full", 16, heads=2, head_dim=8)
    subject = make_workload(case, make_module(case))
    deployed = replace(subject, module=Deployed(Doubles(), (1, 16, 16), torch.float32))
    assert timed_functions(deployed) == 2 * [code_of(Doubles.run)]
    with gradients(case):
        assert torch.equal(deployed.call(deployed.prepare(1)), 2 * deployed.arguments[1][0])  # type: ignore[arg-type]


def test_the_arguments_of_a_model_are_put_together_before_it_is_timed() -> None:
    case = Case("sdpa", 16, scope="model", heads=4, head_dim=8, model="tests.support.models:encoder")
    subject = make_workload(case, make_module(case))
    call = [code_of(subject.call), code_of(nn.Module.__call__), code_of(first_tensor)]
    assert timed_functions(subject) == 2 * call
    with gradients(case):
        assert torch.equal(subject.call(subject.prepare(1)), subject.output(subject.arguments[1]))  # type: ignore[arg-type]


@pytest.mark.parametrize("scope", ["attention", "layer"])
@pytest.mark.parametrize("mode", ["backward", "train"])
def test_no_call_adds_to_the_gradients_of_the_one_before(mode: str, scope: str) -> None:
    case = Case("full", 32, heads=2, head_dim=8, scope=scope, mode=mode)
    subject = make_workload(case, make_module(case))
    [*arguments] = subject.arguments[0]
    ones = torch.ones_like(subject.output(subject.first))
    expected = torch.autograd.grad(subject.module(*arguments), [*arguments, *subject.module.parameters()], ones)
    timer = Timer(subject.prepare, subject.call, cpu.stopwatch("cpu", "warm"))
    timer.time(2 * len(subject.arguments) + 1)  # the first input is visited three times in one block
    timer.time(len(subject.arguments))  # and once more
    found = [tensor.grad for tensor in (*arguments, *subject.module.parameters())]
    torch.testing.assert_close(found, list(expected))


@pytest.mark.parametrize("mode", ["backward", "train"])
def test_a_call_is_prepared_without_gradients_of_earlier_ones(mode: str) -> None:
    case = Case("full", 32, heads=2, head_dim=8, mode=mode)
    subject = make_workload(case, make_module(case))
    for number in range(3):
        prepared = subject.prepare(number)
        tensors = [*subject.module.parameters(), *(tensor for one in subject.arguments for tensor in one)]
        assert [tensor.grad for tensor in tensors] == [None] * len(tensors)
        subject.call(prepared)


@pytest.mark.parametrize(("mode", "outputs"), [("backward", 0), ("train", 1)])
def test_peak_memory_of_training_is_output_and_gradients_by_arithmetic(mode: str, outputs: int) -> None:
    case = replace(SMALL, mode=mode)
    answer = serve.measure(MeasureRequest(case, QUICK))
    [peak] = [one.samples[0] for one in answer.measurements if one.metric == "memory.tensor"]
    n, d = case.seq_len, case.dim
    assert peak == 4 * ((outputs + 1) * n * d + d * d)  # the output, the input's gradient, the weight's


def test_encoders_of_two_methods_are_the_same_outside_their_attention_in_every_process() -> None:
    found = []
    for state, name in enumerate(("sdpa", "full", "none")):
        torch.manual_seed(state)
        case = Case(name, 32, heads=2, head_dim=8, scope="encoder")
        subject = make_workload(case, make_module(case))
        found.append({
            name: parameter.detach() for name, parameter in subject.module.named_parameters()
            if "attention" not in name or "v_proj" in name
        })  # fmt: skip
    assert found[0]
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        assert all(torch.equal(tensor, other[name]) for name, tensor in found[0].items())


def test_memory_under_a_cuda_graph_is_that_of_the_module_inside_it() -> None:
    case = Case("full", 32, heads=2, head_dim=8)
    subject = make_workload(case, make_module(case))
    graphed = replace(subject, module=Graphed(subject.module))
    assert graphed.ungraphed().module is subject.module
    assert subject.ungraphed() is subject


class Replayed(Graphed):
    """A graph that was recorded before: its replay computes the output without a call that torch sees."""

    def forward(self, *_: Tensor) -> Tensor:
        assert self._output is not None
        return self._output


def test_the_kernel_under_a_cuda_graph_is_that_of_the_module_inside_it() -> None:
    case = Case("dct-x", 64, 4, heads=2, head_dim=8)
    subject = make_workload(case, make_module(case))
    graphed = Replayed(subject.module)
    with torch.inference_mode():
        graphed._output = subject.module(*subject.arguments[0])
    collected = Collected()
    observe_kernels(case, replace(subject, module=graphed), Untimed(0.0, Progress()), collected)
    assert collected.details.kernel == "flash"


class Products(nn.Module):
    """Attention of ordinary products, without a kernel of torch."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
        return torch.matmul(weights, v)


class Kernel(nn.Module):
    """Attention by a kernel that torch chooses."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return scaled_dot_product_attention(q, k, v)


@pytest.mark.parametrize("mode", ["forward", "train"])
@pytest.mark.parametrize(("written", "made", "kernel"), [(Products, Kernel, "flash"), (Kernel, Products, None)])
def test_the_kernel_under_a_compiler_is_the_one_that_the_compiler_made(
    written: type[nn.Module], made: type[nn.Module], kernel: str | None, mode: str
) -> None:
    """A compiler recognises attention in products and calls a kernel, or makes products of its own of the kernel."""

    def backend(graph: fx.GraphModule, inputs: Sequence[Tensor]) -> Callable[..., tuple[Tensor, ...]]:
        return lambda *arguments: (made()(*arguments),)

    torch.compiler.reset()
    case = Case("sdpa", 64, heads=2, head_dim=8, scope="attention", mode=mode)
    subject = make_workload(case, written())
    compiled = torch.compile(subject.module, backend=backend)
    assert isinstance(compiled, nn.Module)
    case = replace(case, engine="compile")
    collected = Collected()
    observe_kernels(case, replace(subject, case=case, module=compiled), Untimed(0.0, Progress()), collected)
    assert (collected.details.kernel, collected.details.absent) == (kernel, {})
