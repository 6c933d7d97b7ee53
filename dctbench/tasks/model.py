"""The small model that tasks train: embedding, positions, blocks with the attention in question, and a linear head."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from dctbench.attention.encoder import EncoderBlock, sinusoids
from dctbench.attention.layer import AttentionLayer
from dctbench.model import TaskFacts
from dctbench.tasks.seeding import number, weight_generator

LAYERS = 2
FEED_FORWARD = 128
_PROJECTIONS = ("q_proj", "k_proj", "v_proj", "out_proj")


class TaskModel(nn.Module):
    """Embedding, positions, LayerNorm, and post-LayerNorm blocks, whose rows or whose mean a linear head classifies.

    Positions are learned and start as sinusoids of unit scale. With N(0, 0.02^2), as in BERT, exact attention learns
    positions far more slowly than methods that keep the order of a sequence by themselves.

    With `order`, the rows are permuted after positions were added, and restored before the head. Exact attention cannot
    tell; methods that rely on neighbours being alike can.

    Args:
        attention: returns a new attention layer; called once per block.
        facts: of the task: with a vocabulary, inputs are embedded; without one, a linear layer widens their channels.
        seq_len: length n.
        dim: model width d.
        order: a permutation of the positions, int64 (n,), or None.
        dtype: of parameters.
        device: where parameters live.
    """

    order: Tensor | None
    restored: Tensor | None

    def __init__(
        self,
        attention: Callable[[], nn.Module],
        facts: TaskFacts,
        *,
        seq_len: int,
        dim: int,
        order: Tensor | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.per_position = facts.per_position
        self.embedding: nn.Embedding | nn.Linear
        if facts.vocabulary is None:
            self.embedding = nn.Linear(facts.channels, dim, dtype=dtype, device=device)
        else:
            self.embedding = nn.Embedding(facts.vocabulary, dim, dtype=dtype, device=device)
        self.positions = nn.Parameter(sinusoids(seq_len, dim).to(self.embedding.weight))  # (seq_len, dim)
        self.norm = nn.LayerNorm(dim, dtype=dtype, device=device)
        self.blocks = nn.ModuleList(
            EncoderBlock(attention(), dim, FEED_FORWARD, dtype=dtype, device=device) for _ in range(LAYERS)
        )
        self.head = nn.Linear(dim, facts.classes, dtype=dtype, device=device)
        self.register_buffer("order", None if order is None else order.to(device))
        self.register_buffer("restored", None if order is None else order.argsort().to(device))

    @property
    def attentions(self) -> list[nn.Module]:
        """The attention layers."""
        return [cast("EncoderBlock", block).attention for block in self.blocks]

    def forward(self, inputs: Tensor) -> Tensor:
        """Classify sequences.

        Args:
            inputs: symbols (batch, seq_len) or (batch, seq_len, parts), or values (batch, seq_len, channels).

        Returns:
            Logits (batch, seq_len, classes) of positions, or (batch, classes) of sequences.
        """
        x = self.embedding(inputs)
        if x.ndim == 4:  # a position with several symbols
            x = x.sum(2)
        x = self.norm(x + self.positions)  # (batch, seq_len, dim)
        if self.order is not None:
            x = x.index_select(1, self.order)
        for block in self.blocks:
            x = block(x, None)
        if not self.per_position:
            x = x.mean(1)
        elif self.restored is not None:
            x = x.index_select(1, self.restored)
        out: Tensor = self.head(x)
        return out

    def flops(self, batch: int = 1) -> int:
        """For each block, its attention and 4 b n d feed_forward; the head is not counted."""
        n, d = self.positions.shape
        layers = (cast("AttentionLayer", layer).flops(batch) for layer in self.attentions)
        return sum(layer + 4 * batch * n * d * FEED_FORWARD for layer in layers)


def seeded(
    make: Callable[[Callable[[], nn.Module]], TaskModel], layer: Callable[[int], nn.Module], seed: int
) -> TaskModel:
    """Return a model whose weights depend on the seed, and are the same for every method wherever methods share them.

    A method's own parameters are drawn by its own rule, from a state that depends on the seed and the block alone, and
    so is what it draws and does not learn, such as random features.

    Args:
        make: makes the model from a function that makes its attention layers.
        layer: makes an attention layer, from a seed for what a method draws with a generator of its own.
        seed: of the round.
    """
    blocks = iter(range(LAYERS))

    def seeded_layer() -> nn.Module:
        block = next(blocks)
        torch.manual_seed(number(seed, "layer", block))
        return layer(number(seed, "features", block))

    model = make(seeded_layer)
    own = {id(parameter) for module in model.attentions for parameter in _own(module)}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if id(parameter) not in own:
                _redraw(model, name, parameter, seed)
    torch.manual_seed(number(seed, "training"))
    return model


def _own(attention: nn.Module) -> list[nn.Parameter]:
    """The parameters of a layer that other methods do not have: all but its four projections."""
    shared = {f"{name}.{kind}" for name in _PROJECTIONS for kind in ("weight", "bias")}
    return [parameter for name, parameter in attention.named_parameters() if name not in shared]


def _redraw(model: nn.Module, name: str, parameter: Tensor, seed: int) -> None:
    """Draw a shared parameter anew, seeded by its name: as torch does for its kind of module."""
    module = model.get_submodule(name.rpartition(".")[0])
    generator = weight_generator(seed, "weights", name, *parameter.shape)
    if isinstance(module, nn.Embedding):
        drawn = torch.randn(parameter.shape, generator=generator)
    elif isinstance(module, nn.Linear):
        bound = 1 / math.sqrt(module.in_features)
        drawn = (2 * torch.rand(parameter.shape, generator=generator) - 1) * bound
    else:  # norms start at one and zero, positions as sinusoids
        return
    parameter.copy_(drawn)
