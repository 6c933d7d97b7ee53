"""What an attention inside all-MiniLM-L6-v2 gets for real text: its input, and the weights that it has."""

from __future__ import annotations

import torch
from torch import Tensor

from dctbench.conversion.minilm import load
from dctbench.conversion.projections import ProjectionAdapter, projection_weights


def layer_input(layer: int, seq_len: int, batch: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Run the model on the first texts, and return what one of its attentions is called with.

    Args:
        layer: its number, the first is 0.
        seq_len: tokens of a sequence; at most the positions of the model.
        batch: sequences.

    Returns:
        The input (batch, seq_len, dim), and `q_proj.weight`, `q_proj.bias`, ... (dim, dim) and (dim,), in float32.

    Raises:
        UnavailableError: when the package is not installed.
        UnsupportedError: for more tokens than the model takes.
    """
    subject = load()
    sites = list(ProjectionAdapter().sites(subject.model))
    path = sites[layer]
    seen: list[Tensor] = []
    handle = subject.model.get_submodule(path).register_forward_pre_hook(
        lambda _, arguments, keywords: seen.append(next(iter((*arguments, *keywords.values())))), with_kwargs=True
    )
    positional, named = subject.inputs(seq_len, batch, 0)
    with torch.inference_mode():
        subject.model(*positional, **named)
    handle.remove()
    weights = {name: value.detach().clone() for name, value in projection_weights(subject.model, path).items()}
    return seen[0].clone(), weights
