"""What is timed: a case's module with its weights and rotating inputs, and one step of its mode.

A step is split in two, so that only the second half is timed: `prepare` readies what a call needs (for `backward`,
the forward pass before it), `call` is the call itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from dctbench import catalog
from dctbench.attention.encoder import VOCABULARY
from dctbench.attention.scopes import build_scope
from dctbench.errors import UnsupportedError, text_of
from dctbench.model import Case
from dctbench.transforms import CostModel, default_cost_model
from dctbench.worker.metrics import inputs

MODES = ("forward", "backward", "train")
ENGINES = ("eager", "compile", "cudagraph")
SEED = 0

Arguments = tuple[Tensor, ...]
Rates = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Workload:
    """A module, ready to be called with any of `arguments` in turn.

    `comparable` says whether it holds the shared weights, so that its output may be compared with exact attention's.
    `gradient` is that of the output, None where the mode takes none.
    """

    case: Case
    module: nn.Module
    arguments: Sequence[Arguments]
    comparable: bool
    gradient: Tensor | None

    def prepare(self, number: int) -> Any:
        """Whatever call `number` needs, made before its time starts; gradients of earlier calls are dropped."""
        chosen = self.arguments[number % len(self.arguments)]
        if self.case.mode == "forward":
            return chosen
        for arguments in self.arguments:
            self._drop_gradients(arguments)
        return chosen, self.module(*chosen) if self.case.mode == "backward" else None

    def call(self, prepared: Any) -> Tensor | None:
        """The timed call: forward, backward alone, or both.

        Of calls that were prepared together each drops the gradients of the one before: it never adds to them.
        """
        if self.case.mode == "forward":
            output: Tensor = self.module(*prepared)
            return output
        arguments, output = prepared
        self._drop_gradients(arguments)
        if self.case.mode == "train":
            output = self.module(*arguments)
            output.backward(self.gradient)
            return output
        output.backward(self.gradient)
        return None

    def ungraphed(self) -> Workload:
        """The same, its kernels launched one by one: replaying a graph allocates nothing, whatever its call needs."""
        return replace(self, module=self.module.module) if isinstance(self.module, Graphed) else self

    def _drop_gradients(self, arguments: Arguments) -> None:
        self.module.zero_grad(set_to_none=True)
        for argument in arguments:
            argument.grad = None

    def output(self, number: int) -> Tensor:
        """The forward pass on input `number`, for checks."""
        with torch.no_grad():
            result: Tensor = self.module(*self.arguments[number])
        return result


def make_module(case: Case, device: str | None = None, rates: Rates | None = None) -> nn.Module:
    """The module of a case's scope, on its device or on another such as "meta".

    Args:
        case: what to build.
        device: where; the case's own when None.
        rates: this machine's rates for the transform planner (`CostModel`), for methods that transform; those shipped
            for the case's own device when None, so that what is counted on meta is planned as what runs.

    Raises:
        UsageError, UnsupportedError, UnavailableError: from the implementation.
    """
    if case.mode not in MODES or case.engine not in ENGINES:
        raise UnsupportedError(f"no mode {case.mode!r} with engine {case.engine!r}")
    if case.engine == "cudagraph" and not (case.device.startswith("cuda") and case.mode == "forward"):
        raise UnsupportedError("engine 'cudagraph' replays a forward pass on a CUDA device, nothing else")
    options: dict[str, object] = {}
    layer_class = catalog.implementation(case.implementation).load()
    if "cost_model" in inspect.signature(layer_class).parameters:
        kind = case.device.partition(":")[0]
        shipped = default_cost_model(kind, getattr(torch, case.dtype))
        options["cost_model"] = shipped if rates is None else CostModel(**rates)
    module = build_scope(
        case.scope,
        case.implementation,
        seq_len=case.seq_len,
        dim=case.dim,
        heads=case.heads,
        ratio=case.ratio,
        dtype=getattr(torch, case.dtype),
        device=device or case.device,
        **options,
    )
    return module.train() if case.mode == "train" else module.eval()


def place(case: Case, module: nn.Module) -> Workload:
    """The module with the shared weights, its engine, and the rotating inputs on its device."""
    dtype = getattr(torch, case.dtype)
    shared = inputs.weights(case.dim, dtype, SEED)
    comparable = case.scope == "attention"
    if case.scope == "layer":
        comparable = inputs.share_weights(module, shared)
    elif case.scope == "encoder":
        inputs.seed_parameters(module, SEED)
        for block in module.get_submodule("blocks").children():
            inputs.share_weights(block.get_submodule("attention"), shared)
    rotating = [make_arguments(case, inputs.noise, number) for number in range(inputs.ROTATION)]
    if case.mode != "forward":
        rotating = [tuple(_wants_gradient(t) for t in arguments) for arguments in rotating]
    return Workload(case, _running(case, module), rotating, comparable, _output_gradient(case, case.device))


def _running(case: Case, module: nn.Module) -> nn.Module:
    """The module as its engine runs it."""
    if case.engine == "cudagraph":
        return Graphed(module)
    if case.engine == "compile":
        compiled = torch.compile(module)
        assert isinstance(compiled, nn.Module)
        return compiled
    return module


class Graphed(nn.Module):
    """A module whose kernels are recorded at its first call and then launched together, as one CUDA graph.

    A graph reads its inputs from where it was recorded: the copy there is part of a call. Its output is overwritten
    by the next one.
    """

    WARM_UP = 3

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: Arguments = ()
        self._output: Tensor | None = None

    def forward(self, *arguments: Tensor) -> Tensor:
        """What the module gives for `arguments`, in a buffer that every call shares.

        Raises:
            UnsupportedError: for a module that waits for the GPU in between, so that it cannot be recorded.
        """
        if self._graph is None:
            self._record(arguments)
        assert self._graph is not None
        assert self._output is not None
        for own, given in zip(self._inputs, arguments, strict=True):
            own.copy_(given)
        self._graph.replay()
        return self._output

    def _record(self, arguments: Arguments) -> None:
        """As torch's notes on CUDA graphs prescribe: warm up on a stream of its own, then record."""
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
    """The arguments of one call: the layer's input, the attention's q, k, v, or the encoder's tokens.

    Args:
        case: whose shapes they have.
        draw: `inputs.noise` or `inputs.smooth`.
        number: which of the rotating inputs.
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


def _split_heads(case: Case, x: Tensor) -> Tensor:
    """(batch, seq_len, dim) -> (batch, heads, seq_len, head_dim), a view, as a layer's projections hand it on."""
    return x.view(*x.shape[:2], case.heads, case.head_dim).transpose(1, 2)


def _output_gradient(case: Case, device: str) -> Tensor | None:
    """Ones in the output's shape and, for the attention, in the layout that the layer around it would hand back."""
    if case.mode == "forward":
        return None
    ones = torch.ones(case.batch, case.seq_len, case.dim, dtype=getattr(torch, case.dtype), device=device)
    return _split_heads(case, ones) if case.scope == "attention" else ones


def shapes_only(case: Case, device: str, rates: Rates | None = None) -> Workload:
    """A subject without values, on the meta device, or on any under fake tensors."""
    module = make_module(case, device, rates)
    arguments = tuple(torch.empty(a.shape, dtype=a.dtype, device=device) for a in meta_arguments(case))
    if case.mode != "forward":
        arguments = tuple(_wants_gradient(argument) for argument in arguments)
    return Workload(case, module, [arguments], comparable=False, gradient=_output_gradient(case, device))


def meta_call(case: Case, rates: Rates | None = None) -> Callable[[], object]:
    """One step on the meta device, for counting: no memory, no values."""
    subject = shapes_only(case, "meta", rates)
    with torch.set_grad_enabled(case.mode != "forward"):
        prepared = subject.prepare(0)

    def call() -> object:
        with torch.set_grad_enabled(case.mode != "forward"):
            return subject.call(prepared)

    return call


def meta_arguments(case: Case) -> Arguments:
    """Tensors of the right shapes and types without values."""
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
