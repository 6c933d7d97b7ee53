"""Small models whose attention is replaced in tests: `tests.support.models:NAME`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTH, HEADS = 32, 4


def encoder() -> nn.Module:
    """torch's own encoder, two layers."""
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 64, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def nesting() -> nn.Module:
    """The same as torch makes it by default: with padding, its layers get nested tensors."""
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(WIDTH, HEADS, 64, batch_first=True), 2)


def sequence_first() -> nn.Module:
    """The same with inputs (length, batch, width)."""
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(WIDTH, HEADS, 64), 1, enable_nested_tensor=False)


class Projections(nn.Module):
    """Attention by hand: projections of the usual names, a mask of real tokens, a tensor out."""

    def __init__(self, causal: bool = False, heads: int | None = HEADS, scale: float = 1.0) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        if heads is not None:
            self.num_heads = heads
        self.causal, self.scale = causal, scale

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        q, k, v = (
            part(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        scores = q @ k.transpose(-1, -2) * self.scale / (WIDTH // HEADS) ** 0.5
        if self.causal:
            scores = scores + torch.full(scores.shape[-2:], -torch.inf).triu(1)
        if key_padding_mask is not None:
            scores = scores.masked_fill(~key_padding_mask[:, None, None, :], -torch.inf)
        out: Tensor = self.out_proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return out


def attention() -> nn.Module:
    """A model that is itself an attention."""
    return Projections()


class Block(nn.Module):
    """An attention and the sum with its input."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.attention(x)
        return out


class Shared(nn.Module):
    """Three blocks with one attention."""

    def __init__(self) -> None:
        super().__init__()
        attention = Projections()
        self.blocks = nn.Sequential(*(Block(attention) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.blocks(x)
        return out


def shared() -> nn.Module:
    return Shared()


class Classifier(nn.Module):
    """Two attentions by hand and a mean: one vector per input."""

    def __init__(self, first: nn.Module) -> None:
        super().__init__()
        self.first, self.second, self.head = first, Projections(), nn.Linear(WIDTH, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.second(x + self.first(x)).mean(1))
        return out


def classifier() -> nn.Module:
    return Classifier(Projections())


def partly_causal() -> nn.Module:
    """Its first attention is causal, without saying so."""
    return Classifier(Projections(causal=True))


def other_scale() -> nn.Module:
    return Classifier(Projections(scale=2.0))


def nameless_heads() -> nn.Module:
    """Its first attention does not say how many heads it has."""
    return Classifier(Projections(heads=None))


class Decoder(nn.Module):
    """Causal self-attention and cross-attention by `nn.MultiheadAttention`."""

    def __init__(self) -> None:
        super().__init__()
        self.own = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.cross = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        x = x + self.own(x, x, x, attn_mask=mask, is_causal=True, need_weights=False)[0]
        out: Tensor = self.cross(x, x.flip(1), x.flip(1), need_weights=False)[0]
        return out


def decoder() -> nn.Module:
    return Decoder()


class Rotated(nn.Module):
    """Attention, then a product with complex numbers of absolute value 1."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = Projections()
        self.register_buffer("turn", torch.polar(torch.ones(WIDTH), torch.arange(float(WIDTH))))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = (self.attention(x) * self.turn).imag
        return out


def rotated() -> nn.Module:
    return Rotated()


class Restless(nn.Module):
    """Gives another output at each call."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = Projections()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.attention(x) + torch.randn(x.shape)
        return out


def restless() -> nn.Module:
    return Restless()


class Own(nn.MultiheadAttention):
    """A call of its own, with one tensor."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        out: Tensor = super().forward(x, x, x, need_weights=False)[0]
        return out


class Single(nn.Module):
    """One attention, called in a way that is given."""

    def __init__(self, way: str) -> None:
        super().__init__()
        of = Own if way == "own" else nn.MultiheadAttention
        self.attention = of(WIDTH, HEADS, batch_first=True)
        self.way = way

    def forward(self, x: Tensor) -> Tensor:
        if self.way == "own":
            return self.attention(x)  # type: ignore[no-any-return]
        position = torch.ones(WIDTH)
        query = x + position if self.way in ("positions", "two_positions") else x
        keys = {"copies": x.clone(), "two_positions": x - position}
        key = keys.get(self.way, query)
        out, weights = self.attention(query, key, x)
        if self.way == "weights":
            out = out + weights.sum()
        return out.masked_fill(out > 0, -torch.inf) if self.way == "infinite" else out  # type: ignore[no-any-return]


def single_own() -> nn.Module:
    return Single("own")


def single_positions() -> nn.Module:
    return Single("positions")


def single_two_positions() -> nn.Module:
    return Single("two_positions")


def single_copies() -> nn.Module:
    return Single("copies")


def single_weights() -> nn.Module:
    return Single("weights")


def single_infinite() -> nn.Module:
    return Single("infinite")


class Thrice(nn.Module):
    """An attention by hand that is called with its input as query, key and value."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = ThreeInputs()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.attention(x, x, x)
        return out


class ThreeInputs(Projections):
    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(query)


def thrice() -> nn.Module:
    return Thrice()


def without_attention() -> nn.Module:
    return nn.Linear(WIDTH, WIDTH)


def number() -> int:
    """Not a model."""
    return 3


def inputs(seq_len: int, batch: int) -> Tensor:
    return torch.randn(batch, seq_len, WIDTH)


def evaluate(model: nn.Module, seq_len: int) -> dict[str, list[float]]:
    """Whether the mean output of ten inputs is positive."""
    drawn = torch.randn(10, seq_len, WIDTH, generator=torch.Generator().manual_seed(3))
    return {"positive": [float(model(one[None]).mean() > 0) for one in drawn]}


class FusedLayer(nn.Module):
    """Exact attention whose projections have other names than the usual ones: an implementation, not a model."""

    def __init__(self, *, seq_len: int, dim: int, heads: int, **options: object) -> None:
        super().__init__()
        self.heads = heads
        self.fused, self.last = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.fused(x).chunk(3, dim=-1))
        out: Tensor = self.last(nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return out
