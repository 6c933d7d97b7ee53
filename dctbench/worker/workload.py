"""The workload of a case: its module with weights, rotating inputs, and one step of its mode.

A step has two parts, and only the second is timed: `prepare` makes what a call needs (for `backward`, the forward pass
before it), and `call` is the timed call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, count
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from dctbench import catalog
from dctbench.attention.encoder import VOCABULARY
from dctbench.attention.scopes import build_scope
from dctbench.catalog import engines
from dctbench.catalog.inputs import layer_of
from dctbench.errors import UnsupportedError, text_of
from dctbench.model import Case
from dctbench.transforms import CostModel, default_cost_model
from dctbench.worker.bound import Bound
from dctbench.worker.metrics import inputs
from dctbench.worker.metrics.output import Form, form_of
from dctbench.worker.model_call import ModelCall, make_model_call, rotating_arguments
from dctbench.worker.sources import input_and_weights

MODES = ("forward", "backward", "train")
SEED = 0
_FIRST_FURTHER = 1 << 20

Arguments = tuple[Tensor, ...]
Rates = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Workload:
    """A module, ready to be called with each of `arguments` in turn.

    Attributes:
        case: what it measures.
        module: what is called.
        arguments: the inputs of timed calls, which are rewritten in place between samples.
        comparable: whether it has the shared weights, so that its output can be compared with exact attention.
        gradient: of the output; None for mode `forward`.
        first: the input of the first call, in tensors of its own.
        form: what the output must look like.
        drawn: what the inputs are, in words.
        pool: inputs of a user's model, which are written into the others in place of rows that are drawn anew.
        further: numbers of further calls, each of whose inputs is new; no sample of a latency has them.
        draws: whether a call draws random numbers, such as those of dropout in training: no call repeats its output.
        call: runs the timed call on what `prepare` returned: forward, backward alone, or both. It is chosen once, since
            what decides during a call is timed with it.
    """

    case: Case
    module: nn.Module
    arguments: Sequence[Arguments]
    comparable: bool
    gradient: Tensor | None
    form: Form
    first: Arguments = ()
    drawn: str = "i.i.d. N(0, 1)"
    pool: Sequence[Arguments] = ()
    draws: bool = False
    further: Iterator[int] = field(default_factory=lambda: count(_FIRST_FURTHER), repr=False, compare=False)
    call: Callable[[Any], Tensor | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "call", _timed_call(self.case.mode, self.module, self.gradient))

    def renew(self, numbers: range) -> None:
        """Give the inputs of the calls with these numbers some rows of new values, in place.

        A method that remembers outputs by the address of an input would return an outdated one, and one that compares
        whole inputs finds none of an earlier sample. Within a sample of more calls than inputs rotate, it finds each
        input again: with tensors of its own for each call, every call would read an input that no cache holds.
        """
        if self.pool:
            self._renew_from_pool(numbers)
            return
        for number in numbers[-len(self.arguments) :]:
            for place, argument in enumerate(self.arguments[number % len(self.arguments)]):
                inputs.redraw_rows(argument, SEED, number, VOCABULARY, place)

    def _renew_from_pool(self, numbers: range) -> None:
        """Write other inputs into those of calls, in place: the pool has one more than rotate, so they differ."""
        for number in numbers[-len(self.arguments) :]:
            into = self.arguments[number % len(self.arguments)]
            with torch.inference_mode():
                for argument, value in zip(into, self.pool[number % len(self.pool)], strict=True):
                    argument.copy_(value)

    def restore(self, numbers: range) -> None:
        """Renew the inputs, and write the values of the first call into the input of the last one, in place."""
        self.renew(numbers)
        with torch.no_grad():
            for argument, value in zip(self.arguments[numbers[-1] % len(self.arguments)], self.first, strict=True):
                argument.copy_(value)

    @property
    def tensors(self) -> list[Tensor]:
        """The inputs and gradients, which are no state of the method."""
        drawn = [tensor for arguments in (*self.arguments, self.first) for tensor in arguments]
        known = [*drawn, *self.module.parameters()]
        found = [tensor.grad for tensor in known if tensor.grad is not None]
        return [*drawn, *found, *([] if self.gradient is None else [self.gradient])]

    def prepare_first(self) -> Any:
        """Return what the first call needs."""
        return self._prepared(self.first)

    def prepare(self, number: int) -> Any:
        """Return what call `number` needs, made before it is timed. Gradients of earlier calls are dropped."""
        return self._prepared(self.arguments[number % len(self.arguments)])

    def prepare_new(self, number: int) -> Any:
        """Return the same, after giving its inputs values that no call before had."""
        rotation = len(self.arguments)
        new = next(self.further) * rotation + number % rotation
        self.renew(range(new, new + 1))
        return self.prepare(number)

    def _prepared(self, chosen: Arguments) -> Any:
        if self.case.mode == "forward":
            return self.module.bind(chosen) if isinstance(self.module, Bound) else chosen
        parameters = list(self.module.parameters())
        for tensor in (*parameters, *chain(*self.arguments, self.first)):
            tensor.grad = None
        filled = [tensor for tensor in (*parameters, *chosen) if tensor.requires_grad]
        return chosen, filled, self.module(*chosen) if self.case.mode == "backward" else None

    def ungraphed(self) -> Workload:
        """Return the workload without its CUDA graph, whose replay allocates no memory."""
        return replace(self, module=self.module.module) if isinstance(self.module, Graphed) else self

    @contextmanager
    def repeatable(self) -> Iterator[None]:
        """Let a module that draws in training compute as in inference meanwhile: equal inputs give equal outputs."""
        if not self.draws:
            yield
            return
        self.module.eval()
        try:
            yield
        finally:
            self.module.train()

    def eager(self) -> Workload:
        """Return the workload with the module that torch runs by itself: without its CUDA graph, and not compiled."""
        if self.case.engine == "compile":
            return replace(self, module=self.module.get_submodule("_orig_mod"))
        return self.ungraphed()

    def laid_out(self, arguments: Arguments) -> Arguments:
        """Return other arguments in the strides of the timed ones, where a module would be compiled anew for others."""
        if self.case.engine != "compile":
            return arguments
        timed = self.arguments[0]
        return tuple(
            torch.empty_strided(value.shape, like.stride(), dtype=value.dtype, device=value.device).copy_(value)
            for value, like in zip(arguments, timed, strict=True)
        )

    def output(self, arguments: Arguments) -> Tensor:
        """Return the forward output for an input, for checks."""
        with torch.no_grad(), self.repeatable():
            result: Tensor = self.module(*arguments)
        return result


def random_states(case: Case) -> list[Tensor]:
    """Return the states of torch's generators for the host and the device of a case: a call that draws changes one."""
    there = [] if case.device_kind == "cpu" else [getattr(torch, case.device_kind).get_rng_state()]
    return [torch.get_rng_state(), *there]


def _timed_call(mode: str, module: nn.Module, gradient: Tensor | None) -> Callable[[Any], Tensor | None]:
    """Return the timed call of a mode: on a short call, all that Python does beside the module itself would be seen.

    If several calls were prepared together, each drops the gradients of the previous one instead of adding to them.
    """
    if mode == "forward":
        return module.run if isinstance(module, Bound) else lambda arguments: module(*arguments)

    def train(prepared: tuple[Arguments, Arguments, None]) -> Tensor:
        arguments, filled, _ = prepared
        for tensor in filled:
            tensor.grad = None
        output: Tensor = module(*arguments)
        output.backward(gradient)
        return output

    def backward(prepared: tuple[Arguments, Arguments, Tensor]) -> None:
        _, filled, output = prepared
        for tensor in filled:
            tensor.grad = None
        output.backward(gradient)

    return train if mode == "train" else backward


def make_module(case: Case, device: str | None = None, rates: Rates | None = None) -> nn.Module:
    """Build the module of a case at its scope.

    Args:
        case: the case.
        device: where to build it, such as "meta"; the device of the case when None.
        rates: this machine's rates for the transform planner (`CostModel`). When None, those shipped for the device of
            the case, so that FLOPs counted on meta belong to the plan that runs.

    Raises:
        UnsupportedError: for an unknown mode or engine, and an engine that does not support the case.
        UsageError, UnsupportedError, UnavailableError: by the implementation.
    """
    if case.mode not in MODES or case.engine not in engines.ENGINES:
        raise UnsupportedError(f"no mode {case.mode!r} with engine {case.engine!r}")
    if case.engine == "cudagraph" and not (case.device_kind == "cuda" and case.mode == "forward"):
        raise UnsupportedError("engine 'cudagraph' replays a forward pass on a CUDA device, nothing else")
    options = planner_options(case, rates)
    if case.scope == "model":
        return make_model_call(case, options)
    module = build_scope(
        case.scope,
        case.implementation,
        seq_len=case.seq_len,
        dim=case.dim,
        heads=case.heads,
        ratio=case.ratio,
        kept=case.kept,
        dtype=getattr(torch, case.dtype),
        device=device or case.device,
        **options,
    )
    return module.train() if case.mode == "train" else module.eval()


def planner_options(case: Case, rates: Rates | None) -> dict[str, object]:
    """Return the arguments by which the transform planner of a method knows the machine, if it has one."""
    options: dict[str, object] = {}
    layer_class = catalog.implementation(case.implementation).load()
    wanted = inspect.signature(layer_class).parameters
    if "cost_model" in wanted:
        kind = case.device_kind
        shipped = default_cost_model(kind, getattr(torch, case.dtype))
        model = shipped if rates is None else CostModel(**rates)
        # An exported model has no FFT: ONNX has one, which engines run slowly or not at all.
        options["cost_model"] = replace(model, fft=0.0) if engines.ENGINES[case.engine].exported else model
        if "batch" in wanted:
            options["batch"] = case.batch
    return options


def gradients(case: Case) -> AbstractContextManager[object]:
    """Return the context in which the calls of a case run: without gradients unless its mode needs them."""
    if case.mode != "forward":
        return torch.enable_grad()
    # torch.export does not trace tensors that were made in inference mode.
    return torch.no_grad() if engines.ENGINES[case.engine].exported else torch.inference_mode()


def make_workload(case: Case, module: nn.Module, scratch: str | None = None) -> Workload:
    """Return the workload of a module: with the shared weights, its engine, and the rotating inputs on its device.

    Args:
        case: the case.
        module: from `make_module`.
        scratch: a folder that the cases of one sweep share.
    """
    if isinstance(module, ModelCall):
        arguments = rotating_arguments(case, module)
        with torch.inference_mode():
            output = module(*arguments[0])
        form = Form(tuple(output.shape), output.dtype)
        first, *rotating = arguments[: 1 + inputs.ROTATION]
        pool = [tuple(value.clone() for value in each) for each in arguments[1:]]
        return Workload(
            case, _running(case, module), rotating, False, None, form, first, f"inputs of {case.model}", pool
        )
    shared = shared_weights(case, scratch)
    comparable = case.scope == "attention"
    if case.scope == "layer":
        comparable = inputs.share_weights(module, shared)
    elif case.scope == "encoder":
        inputs.seed_parameters(module, SEED)
        for block in module.get_submodule("blocks").children():
            inputs.share_weights(block.get_submodule("attention"), shared)
    drawn = [make_arguments(case, inputs.noise, number) for number in range(1 + inputs.ROTATION)]
    if case.mode != "forward":
        drawn = [tuple(_wants_gradient(t) for t in arguments) for arguments in drawn]
    first, *rotating = drawn
    gradient = _output_gradient(case, case.device)
    words = "tokens drawn uniformly" if case.scope == "encoder" else "i.i.d. N(0, 1)"
    return Workload(case, _running(case, module), rotating, comparable, gradient, form_of(case), first, words)


def shared_weights(case: Case, scratch: str | None) -> inputs.Weights:
    """Return the projections of every method of a case: drawn, or those of the layer that its input comes from."""
    if case.input is not None and layer_of(case.input) is not None:
        return input_and_weights(case, SEED, scratch)[1]
    return inputs.weights(case.dim, getattr(torch, case.dtype), SEED)


def _running(case: Case, module: nn.Module) -> nn.Module:
    """Return the module in the form that its engine runs."""
    if case.engine == "cudagraph":
        return Graphed(module)
    if case.engine == "compile":
        compiled = torch.compile(module, options=compiler_options(case) or None)
        assert isinstance(compiled, nn.Module)
        return compiled
    return module


def compiler_options(case: Case) -> dict[str, str | int | bool | Callable[..., Any]]:
    """Return the options of `torch.compile` for a case, for every method: what somebody who deploys it would set.

    On a CPU, an inference is frozen: the weights become constants, which oneDNN packs once for its products.
    """
    frozen = case.engine == "compile" and case.device_kind == "cpu" and case.mode == "forward"
    return {"freezing": True} if frozen else {}


@contextmanager
def compiling(case: Case) -> Iterator[None]:
    """Around the first call: a method that torch's compiler refuses is unsupported, with the compiler's reason.

    An error of the method itself, such as a wrong shape, stays one. The compiler's options hold for the process
    meanwhile: whether weights become constants is decided while the first call is traced, by torch's setting and not by
    the options of `torch.compile`, which begin to hold after that.

    Raises:
        UnsupportedError: when the compiler fails.
    """
    if case.engine != "compile":
        yield
        return
    from torch._dynamo.exc import TorchDynamoException, TorchRuntimeError
    from torch._inductor import config

    try:
        with config.patch(compiler_options(case)):
            yield
    except TorchRuntimeError:
        raise
    except TorchDynamoException as error:
        raise UnsupportedError(f"torch cannot compile it: {text_of(error).partition(chr(10))[0]}") from None


class Graphed(nn.Module):
    """A module whose kernels are recorded at the first call and then launched together as one CUDA graph.

    A graph reads its inputs from fixed buffers; copying them there is part of a call. The next call overwrites the
    output.
    """

    WARM_UP = 3

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: Arguments = ()
        self._output: Tensor | None = None

    def forward(self, *arguments: Tensor) -> Tensor:
        """Return the output of the module in a buffer that all calls share.

        Raises:
            UnsupportedError: for a module that cannot be recorded, since it waits for the GPU in between.
        """
        if self._graph is None:
            self._record(arguments)
        assert self._graph is not None
        assert self._output is not None
        for buffer, argument in zip(self._inputs, arguments, strict=True):
            buffer.copy_(argument)
        self._graph.replay()
        return self._output

    def _record(self, arguments: Arguments) -> None:
        """Warm up on a side stream, then record, as torch's notes on CUDA graphs prescribe."""
        self._inputs = tuple(argument.clone() for argument in arguments)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(self.WARM_UP):
                self.module(*self._inputs)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._output = self.module(*self._inputs)
        except RuntimeError as error:
            text = text_of(error).partition("\n")[0]
            raise UnsupportedError(f"cannot be recorded as a CUDA graph: {text}") from None
        self._graph = graph


def make_arguments(case: Case, draw: Callable[..., Tensor], number: int = 0) -> Arguments:
    """Return the arguments of one call: x for a layer; q, k, v for attention; tokens for the encoder.

    Args:
        case: the case.
        draw: `inputs.noise` or `inputs.smooth`.
        number: the number of the input in the rotation.

    Returns:
        x (batch, seq_len, dim), or q, k, v (batch, heads, seq_len, head_dim), or tokens (batch, seq_len), on the
        device of the case.
    """
    dtype = getattr(torch, case.dtype)
    if case.scope == "encoder":
        source = inputs.generator(SEED, "tokens", number, case.batch, case.seq_len)
        tokens = torch.randint(0, VOCABULARY, (case.batch, case.seq_len), generator=source)
        return (tokens.to(case.device),)
    if case.scope == "layer":
        return (draw(case, dtype, SEED, number).to(case.device),)
    drawn = (draw(case, dtype, SEED, 3 * number + i) for i in range(3))
    return tuple(_split_heads(case, x).to(case.device) for x in drawn)


def input_parts(case: Case, scratch: str | None) -> dict[str, Tensor]:
    """Return the input of a case as `x`, and what its weights make of it as `q`, `k` and `v`.

    Each is (batch, seq_len, dim), in the dtype of the case, on the CPU.
    """
    x, weights = input_and_weights(case, SEED, scratch)
    projected = {part: linear(x, weights[f"{part}_proj.weight"], weights[f"{part}_proj.bias"]) for part in "qkv"}
    return {"x": x, **projected}


def real_arguments(case: Case, scratch: str | None) -> Arguments:
    """Return the arguments of a call on the input of a case: x for a layer; q, k, v for attention."""
    parts = input_parts(case, scratch)
    chosen = (parts["x"],) if case.scope == "layer" else tuple(_split_heads(case, parts[part]) for part in "qkv")
    return tuple(each.to(case.device) for each in chosen)


def _split_heads(case: Case, x: Tensor) -> Tensor:
    """(batch, seq_len, dim) -> (batch, heads, seq_len, head_dim), a view, like the projections of a layer."""
    return x.view(*x.shape[:2], case.heads, case.head_dim).transpose(1, 2)


def _output_gradient(case: Case, device: str) -> Tensor | None:
    """Return ones in the shape of the output; for attention in the memory layout that a layer around it produces."""
    if case.mode == "forward":
        return None
    ones = torch.ones(case.batch, case.seq_len, case.dim, dtype=getattr(torch, case.dtype), device=device)
    return _split_heads(case, ones) if case.scope == "attention" else ones


def shapes_only(case: Case, device: str, rates: Rates | None = None) -> Workload:
    """Return a workload without values, on the meta device or on any device under fake tensors."""
    module = make_module(case, device, rates)
    arguments = tuple(torch.empty(a.shape, dtype=a.dtype, device=device) for a in meta_arguments(case))
    if case.mode != "forward":
        arguments = tuple(_wants_gradient(argument) for argument in arguments)
    return Workload(
        case, module, [arguments], comparable=False, gradient=_output_gradient(case, device), form=form_of(case)
    )


def meta_call(case: Case, rates: Rates | None = None) -> Callable[[], object]:
    """Return one step on the meta device, to count FLOPs without memory or values."""
    workload = shapes_only(case, "meta", rates)
    with torch.set_grad_enabled(case.mode != "forward"):
        prepared = workload.prepare(0)

    def call() -> object:
        with torch.set_grad_enabled(case.mode != "forward"):
            return workload.call(prepared)

    return call


def meta_arguments(case: Case) -> Arguments:
    """Return the arguments of one call as meta tensors."""
    dtype = getattr(torch, case.dtype)
    shape: tuple[int, ...] = (case.batch, case.seq_len, case.dim)
    if case.scope == "encoder":
        return (torch.empty(shape[:2], dtype=torch.long, device="meta"),)
    if case.scope == "layer":
        return (torch.empty(shape, dtype=dtype, device="meta"),)
    shape = (case.batch, case.heads, case.seq_len, case.head_dim)
    return tuple(torch.empty(shape, dtype=dtype, device="meta") for _ in range(3))


def _wants_gradient(tensor: Tensor) -> Tensor:
    return tensor.requires_grad_() if tensor.is_floating_point() else tensor
