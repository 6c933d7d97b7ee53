"""Scope `model`: a user's model with its attention replaced, called like every other module, and its figures."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from dctbench import catalog
from dctbench.catalog.engines import ENGINES
from dctbench.conversion.convert import Converted, Found, check_reproduces, convert, find, needs_input
from dctbench.conversion.drift import SEQUENCES, drift
from dctbench.conversion.loading import load
from dctbench.conversion.recovery import recover
from dctbench.conversion.sites import masks_checked
from dctbench.conversion.subject import Called, Inputs, Purpose, Scores, Subject, first_tensor, map_tensors, tensors_of
from dctbench.errors import UnsupportedError
from dctbench.model import Case, CaseWarning, Conversion, ResultDetails, WarningCode
from dctbench.protocol import ModelFacts
from dctbench.worker.bound import Bound
from dctbench.worker.collected import Collected
from dctbench.worker.devices import DeviceModule
from dctbench.worker.metrics.inputs import ROTATION
from dctbench.worker.progress import Progress

REFERENCE = "sdpa"
SHARE_CALLS = 5
NAMED = 3
"""How many random weights are named."""
CASTS = {
    "float64": nn.Module.double,
    "float32": nn.Module.float,
    "bfloat16": nn.Module.bfloat16,
    "float16": nn.Module.half,
}
"""By dtype. `Module.to` would also make complex buffers real."""


@dataclass(frozen=True, slots=True)
class Conversions:
    """The original of a case, its attentions, and the converted model."""

    subject: Subject
    found: Found
    converted: Converted


class ModelCall(Bound):
    """A model that is called with the tensors of its inputs alone, and returns one tensor.

    Args:
        model: the converted model. It alone is a part of this module, so that its parameters are the ones counted.
        conversions: what it came from.
        like: inputs, of which tensors are arguments of each call, and everything else stays as it is.
    """

    def __init__(self, model: nn.Module, conversions: Conversions, like: Inputs) -> None:
        super().__init__()
        self.called = Called(model)
        self.conversions = conversions
        self._like = like
        self._leaves, self._structure = tree_flatten(like)

        def run(bound: Inputs) -> Tensor:
            return first_tensor(model(*bound[0], **bound[1]))

        self.run = run

    def bind(self, arguments: Sequence[Tensor]) -> Inputs:
        """The tensors of an input, in the order of `tensors_of` -> the arguments of the model."""
        rest = iter(arguments)
        leaves = [next(rest) if isinstance(leaf, Tensor) else leaf for leaf in self._leaves]
        positional, named = tree_unflatten(leaves, self._structure)
        return positional, named

    def forward(self, *tensors: Tensor) -> Tensor:
        """The tensors of an input, in the order of `tensors_of` -> the output of the model."""
        positional, named = self.bind(tensors)
        out: Tensor = self.called(*positional, **named)
        return out

    def meta_call(self, arguments: tuple[Tensor, ...]) -> Callable[[], object]:
        """Return one call on the meta device, to count FLOPs without memory or values."""
        model = copy.deepcopy(self.called).to("meta")
        moved = ModelCall(model.model, self.conversions, self._like)

        def call() -> object:
            with torch.inference_mode():
                return moved(*(argument.to("meta") for argument in arguments))

        return call


def load_subject(target: str, dtype: str = "float32", device: str = "cpu") -> Subject:
    """Load a model with its inputs, on a device, in a dtype. An evaluation may call it with tensors of any other."""
    subject = load(target)
    CASTS[dtype](subject.model.to(device))

    def moved(value: Tensor) -> Tensor:
        if value.is_inference() and not torch.is_inference_mode_enabled():  # one that the user's code keeps
            value = value.clone()
        return value.to(device, getattr(torch, dtype) if value.is_floating_point() else None)

    def inputs(seq_len: int, batch: int, number: int, purpose: Purpose) -> Inputs:
        return map_tensors(moved, subject.make_inputs(seq_len, batch, number, purpose))

    def evaluated(model: nn.Module, seq_len: int) -> Scores:
        assert subject.evaluate is not None
        hook = model.register_forward_pre_hook(
            lambda _, positional, named: map_tensors(moved, (positional, named)), with_kwargs=True
        )
        try:
            return subject.evaluate(model, seq_len)
        finally:
            hook.remove()

    return Subject(subject.target, subject.model, inputs, evaluated if subject.evaluate is not None else None)


def model_facts(target: str, seq_len: int, batch: int) -> ModelFacts:
    """Return what a plan needs to know of a model: the shape of its attention, and what cannot be replaced.

    Raises:
        UsageError, UnavailableError: for a target that names no model on this machine.
        UnsupportedError: for a model without an attention that can be replaced, or whose attentions differ in shape.
    """
    subject = load_subject(target)
    found = find(subject, subject.inputs(seq_len, batch, 0))
    site = found.replaceable[0]
    shapes = {(each.heads, each.dim // each.heads) for each in found.replaceable}
    if len(shapes) > 1:
        raise UnsupportedError(f"{target}: its attentions have different shapes, such as {sorted(shapes)[:2]}")
    return ModelFacts(site.heads, site.dim // site.heads, len(found.replaceable), dict(found.refused))


def make_model_call(case: Case, options: Mapping[str, object]) -> ModelCall:
    """Return the model of a case with its attention replaced, checked first with exact attention in its place.

    Args:
        case: with a model.
        options: further arguments of the method.

    Raises:
        UsageError, UnsupportedError, UnavailableError: for a model or a method that cannot be measured.
    """
    if case.mode != "forward":
        raise UnsupportedError(f"a model is measured in mode forward, not {case.mode}")
    if ENGINES[case.engine].exported:
        raise UnsupportedError(f"a model is run by torch, and not by engine {case.engine!r}")
    structural = needs_input(case.implementation)
    rounded = case.dtype not in ("float32", "float64")
    if rounded:  # by more than the tolerance of the check; the model is freed before the other one is loaded
        check_reproduces(*_found(case, "float32"), structural=structural)
    subject, found, inputs = _found(case, case.dtype)
    if not rounded:
        check_reproduces(subject, found, inputs, structural=structural)
    converted = convert(
        subject,
        found,
        case.implementation,
        ratio=case.ratio,
        kept=case.kept,
        layers=case.layers,
        options=options,
    )
    return ModelCall(converted.model, Conversions(subject, found, converted), inputs)


def _found(case: Case, dtype: str) -> tuple[Subject, Found, Inputs]:
    """Load the model of a case in a dtype, and find its attentions."""
    assert case.model is not None
    subject = load_subject(case.model, dtype, case.device)
    inputs = subject.inputs(case.seq_len, case.batch, 0)
    return subject, find(subject, inputs), inputs


def rotating_arguments(case: Case, module: ModelCall) -> list[tuple[Tensor, ...]]:
    """Return the input of the first call, and one more than timed calls use in turn.

    They are copies, since values are written into them: what `inputs()` returns may be views of tensors that the user's
    module keeps, or one row that is expanded to all.
    """
    subject = module.conversions.subject
    made = (tensors_of(subject.inputs(case.seq_len, case.batch, number)) for number in range(ROTATION + 2))
    return [tuple(value.clone() for value in tensors) for tensors in made]


def measure_model(
    case: Case, module: ModelCall, device: DeviceModule, collected: Collected, seed: int, progress: Progress
) -> None:
    """Measure how far the outputs are from the original's, the user's evaluation, and the same after training.

    Args:
        case: with a model.
        module: its converted model.
        device: the module of its device's kind.
        collected: where the figures go.
        seed: of the training, the number of the round. Without a training, only the first round measures anything.
        progress: of the case. Every call of a model is a sign of life, and the time limit does not count this time.
    """
    began = progress.clock()
    for model in (module.conversions.subject.model, module.conversions.converted.model):
        model.register_forward_hook(lambda *_: progress.step())
    of = module.conversions
    record = Conversion(
        replaced=of.converted.replaced,
        kept=of.converted.kept,
        refused=of.converted.refused,
        sequences=-(-SEQUENCES // case.batch) * case.batch,
    )
    if seed == 1:
        if of.converted.random:
            collected.warnings += _random_weights(of)
        else:
            _quality(case, of, of.converted.model, collected, "")
        if case.implementation == REFERENCE:
            with collected.attempt("attention.share"):
                collected.add("attention.share", attention_share(case, of, device))
    if case.recover is not None:
        with collected.attempt("recover"), torch.inference_mode(False):
            done = recover(of.subject, of.converted.model, case.seq_len, case.recover, seed)
            collected.add("recover.seconds", done.seconds)
            record = replace(
                record,
                steps=case.recover,
                rate=done.rate,
                probes=tuple(done.probes.items()),
                at_edge=done.at_edge,
                loss_before=done.before,
                loss_after=done.after,
            )
            _quality(case, of, done.model, collected, catalog.RECOVERED)
    collected.details |= ResultDetails(conversion=record)
    progress.excuse(progress.clock() - began)


def _random_weights(of: Conversions) -> list[CaseWarning]:
    """Return why the outputs of a model whose attention has random weights are not compared."""
    first, others = of.converted.random[:NAMED], len(of.converted.random[NAMED:])
    names = ", ".join(first) + (f" and {others} more" if others else "")
    reason = f"weights that the model does not have are random before a training with --recover: {names}"
    metrics = ["drift", *([] if of.subject.evaluate is None else [catalog.EVALUATE])]
    return [CaseWarning(WarningCode.NOT_MEASURED, {"metric": metric, "reason": reason}) for metric in metrics]


def _quality(case: Case, of: Conversions, model: nn.Module, collected: Collected, prefix: str) -> None:
    with collected.attempt(f"{prefix}drift"), masks_checked(model):
        figures = drift(of.subject, model, case.seq_len, case.batch)
        for name, samples in asdict(figures).items():
            if samples is not None:
                collected.add(f"{prefix}drift.{name}", *samples)
    if of.subject.evaluate is not None:
        with collected.attempt(f"{prefix}{catalog.EVALUATE}"), masks_checked(model):
            for name, scores in of.subject.evaluate(model, case.seq_len).items():
                collected.add(f"{prefix}{catalog.EVALUATE}" + (f".{name}" if name else ""), *scores)


def attention_share(case: Case, of: Conversions, device: DeviceModule) -> float:
    """Return the share of the time of the original that its replaceable attentions take, projections included.

    Each of them is waited for. On a GPU that waits for the host, the host then no longer runs ahead.
    """
    spent = 0.0
    started: list[float] = []

    def now() -> float:
        device.synchronize(case.device)
        return perf_counter()

    def begin(*_: object) -> None:
        started.append(now())

    def end(*_: object) -> None:
        nonlocal spent
        spent += now() - started.pop()

    model = of.subject.model
    inputs = of.subject.inputs(case.seq_len, case.batch, 0)
    with ExitStack() as stack, torch.inference_mode():
        model(*inputs[0], **inputs[1])
        for site in of.found.replaceable:
            for path in (site.name, *site.outside):
                part = model.get_submodule(path)
                stack.callback(part.register_forward_pre_hook(begin).remove)
                stack.callback(part.register_forward_hook(end).remove)
        shares = []
        for _ in range(SHARE_CALLS):
            spent, began = 0.0, now()
            model(*inputs[0], **inputs[1])
            shares.append(spent / (now() - began))
    return statistics.median(shares)
