"""Train a converted model to reproduce the outputs of its original, on inputs without labels.

Every method gets the same steps, the same rates to choose from, and in a round the same inputs in the same order. Each
rate is tried for a quarter of the steps; the one with the smallest loss on held-out inputs trains in full. A model in
half precision trains in float32 and is rounded afterwards, since a step is less than half precision resolves.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from time import perf_counter

import torch
from torch import Tensor, nn

from dctbench.conversion.subject import Called, Inputs, Purpose, Subject, map_tensors, real_part, real_tokens_of
from dctbench.errors import UnsupportedError

RATES = (1e-4, 3e-4, 1e-3)
BATCH = 8
HELD_OUT = range(4)
"""The numbers of the held-out inputs by which a rate is chosen; outputs are compared on others."""
WARM_UP = 0.1
WEIGHT_DECAY = 0.01
CLIP = 1.0
HALF = (torch.float16, torch.bfloat16)


@dataclass(frozen=True, slots=True)
class Recovery:
    """A converted model after training.

    `probes` holds the loss on held-out inputs by rate, after a quarter of the steps; `before` and `after` are those
    losses of the model itself.
    """

    model: nn.Module
    rate: float
    probes: dict[float, float]
    before: float
    after: float
    seconds: float

    @property
    def at_edge(self) -> bool:
        """Whether the best rate is the smallest or the largest that was tried."""
        return self.rate in (min(self.probes), max(self.probes))


def recover(subject: Subject, converted: nn.Module, seq_len: int, steps: int, seed: int) -> Recovery:
    """Distil the original into a converted model. The converted model itself is left as it is.

    Args:
        subject: the original, with its inputs.
        converted: what is trained, in a copy.
        seq_len: length of the inputs.
        steps: of training, of `BATCH` sequences each.
        seed: of the order of the inputs; a round is a seed.

    Raises:
        UnsupportedError: when no rate gives a finite loss.
        UsageError: when the model's own inputs are always the same.
    """
    start = perf_counter()
    before = held_out_loss(subject, converted, seq_len)
    teacher = _in_float32(subject)
    probes = {}
    for rate in RATES:
        tried = _trained(teacher, converted, seq_len, max(1, steps // 4), rate, seed)
        probes[rate] = held_out_loss(subject, tried, seq_len)
    finite = {rate: loss for rate, loss in probes.items() if math.isfinite(loss)}
    if not finite:
        raise UnsupportedError(f"training diverged at each of the rates {', '.join(map(str, RATES))}")
    rate = min(finite, key=finite.__getitem__)
    model = _trained(teacher, converted, seq_len, steps, rate, seed)
    after = held_out_loss(subject, model, seq_len)
    return Recovery(model, rate, probes, before, after, perf_counter() - start)


def held_out_loss(subject: Subject, model: nn.Module, seq_len: int) -> float:
    """Return the mean loss over the held-out inputs."""
    with torch.no_grad():
        losses = [_loss(subject, model, seq_len, number, Purpose.CHOOSE) for number in HELD_OUT]
    return float(torch.stack(losses).mean())


def _in_float32(subject: Subject) -> Subject:
    """Return the original with whatever is in half precision in float32, its inputs as well."""

    def widened(value: Tensor) -> Tensor:
        return value.float() if value.dtype in HALF else value

    def inputs(seq_len: int, batch: int, number: int, purpose: Purpose) -> Inputs:
        return map_tensors(widened, subject.inputs(seq_len, batch, number, purpose))

    return replace(subject, model=_widened(subject.model), make_inputs=inputs)


def _widened(model: nn.Module) -> nn.Module:
    """Return a copy of a model, in float32 if it was in half precision."""
    copied = copy.deepcopy(model)
    return copied.float() if any(value.dtype in HALF for value in copied.parameters()) else copied


def _trained(teacher: Subject, model: nn.Module, seq_len: int, steps: int, rate: float, seed: int) -> nn.Module:
    """Return a trained copy: AdamW, linear warm-up, then a cosine to zero. Dropout stays off."""
    student = _widened(model).eval()
    for parameter in student.parameters():
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(student.parameters(), lr=rate, weight_decay=WEIGHT_DECAY)
    warm = max(1, round(WARM_UP * steps))
    for step in range(steps):
        progress = (step - warm) / max(1, steps - warm)
        scale = (step + 1) / warm if step < warm else 0.5 * (1 + math.cos(math.pi * progress))
        for group in optimizer.param_groups:
            group["lr"] = rate * scale
        optimizer.zero_grad(set_to_none=True)
        _loss(teacher, student, seq_len, seed * steps + step, Purpose.TRAIN).backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), CLIP)
        optimizer.step()
    trained = copy.deepcopy(model)
    trained.load_state_dict(student.state_dict())  # rounds to the dtype of the model
    return trained.eval()


def _loss(subject: Subject, model: nn.Module, seq_len: int, number: int, purpose: Purpose) -> Tensor:
    """Return the squared difference of the outputs over the squared size of the original's."""
    inputs = subject.inputs(seq_len, BATCH, number, purpose)
    with torch.no_grad():
        target = Called(subject.model)(*inputs[0], **inputs[1])
    output = Called(model)(*inputs[0], **inputs[1])
    real = real_tokens_of(inputs, subject.model)
    target, output = real_part(target, real), real_part(output, real)
    target, output = target.float(), output.float()  # a sum of squares is more than float16 holds
    loss: Tensor = (output - target).square().sum() / target.square().sum().clamp(min=1e-30)
    return loss
