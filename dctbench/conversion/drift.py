"""How far the outputs of a converted model are from those of the original, on inputs that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, normalize

from dctbench.conversion.subject import Called, Subject, length_first, real_tokens_of
from dctbench.errors import UnsupportedError

SEQUENCES = 32
"""Input sequences that are compared; neighbours are looked for among them."""
LEAST_NEIGHBOURS = 8


@dataclass(frozen=True, slots=True)
class Drift:
    """Figures of each compared sequence.

    `cosine` compares pooled outputs (means over the real tokens), `tokens` the outputs at each token, on average.
    Only a model that returns one vector per input, such as a classifier, has `top1`: whether the largest output is the
    same. `neighbours`: whether the nearest of the other sequences is the same one.
    """

    cosine: list[float]
    tokens: list[float] | None
    top1: list[float] | None
    neighbours: list[float] | None


def drift(subject: Subject, changed: nn.Module, seq_len: int, batch: int, sequences: int = SEQUENCES) -> Drift:
    """Compare a converted model with its original.

    Args:
        subject: the original, with its inputs.
        changed: the converted model.
        seq_len: length of the inputs.
        batch: sequences in one call.
        sequences: how many are compared at least.

    Raises:
        UnsupportedError: for a model that returns one number for each input.
    """
    before, after = Called(subject.model), Called(changed)
    turned = _has_length_first(before, subject, seq_len, batch)
    pooled: list[tuple[Tensor, Tensor]] = []
    tokens: list[Tensor] = []
    same: list[Tensor] = []
    with torch.inference_mode():
        for number in range(-(-sequences // batch)):
            inputs = subject.inputs(seq_len, batch, number)
            expected, found = (model(*inputs[0], **inputs[1]).double() for model in (before, after))
            real = real_tokens_of(inputs, subject.model)
            if expected.ndim == 3:
                if turned:
                    expected, found = expected.transpose(0, 1), found.transpose(0, 1)
                tokens.append(_token_cosine(expected, found, real))
                expected, found = _pool(expected, real), _pool(found, real)
            elif expected.ndim == 2:
                same.append(expected.argmax(1) == found.argmax(1))
            if expected.ndim < 2 or expected[0].numel() == 1:
                raise UnsupportedError(
                    "the model returns one number for each input, and a cosine of single numbers is only a sign; "
                    "evaluate() can compare them"
                )
            pooled.append((expected.flatten(1), found.flatten(1)))
    expected, found = (torch.cat(parts) for parts in zip(*pooled, strict=True))
    return Drift(
        cosine_similarity(expected, found, dim=1).tolist(),
        torch.cat(tokens).tolist() if tokens else None,
        torch.cat(same).double().tolist() if same else None,
        same_neighbours(expected, found).double().tolist() if len(expected) >= LEAST_NEIGHBOURS else None,
    )


def _has_length_first(model: Called, subject: Subject, seq_len: int, batch: int) -> bool:
    """Whether the outputs have the length before the batch, learned from a call in which the two differ."""
    called = 1 if batch == seq_len else batch
    inputs = subject.inputs(seq_len, called, 0)
    with torch.inference_mode():
        return length_first(model(*inputs[0], **inputs[1]), called)


def same_neighbours(before: Tensor, after: Tensor) -> Tensor:
    """Return for each row whether its nearest other row, by cosine, is the same in both: two (rows, dim) -> (rows,)."""
    return _nearest(before) == _nearest(after)


def _nearest(rows: Tensor) -> Tensor:
    unit = normalize(rows, dim=1)
    return (unit @ unit.T).fill_diagonal_(-2.0).argmax(1)


def _pool(output: Tensor, real: Tensor | None) -> Tensor:
    """(batch, length, dim) -> the mean over real tokens, (batch, dim)."""
    if real is None or real.shape != output.shape[:2]:
        return output.mean(1)
    weights = real[..., None].to(output.dtype)
    return (output * weights).sum(1) / weights.sum(1).clamp(min=1)


def _token_cosine(before: Tensor, after: Tensor, real: Tensor | None) -> Tensor:
    """Return the mean cosine over the real tokens of each sequence, (batch,)."""
    return _pool(cosine_similarity(before, after, dim=2)[..., None], real)[:, 0]
