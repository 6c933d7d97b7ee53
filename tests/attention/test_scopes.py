"""The three scopes: their contents, and the encoder against torch's own post-LayerNorm encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dctbench import catalog
from dctbench.attention import build, default_kept, error_means, uses_ratio
from dctbench.attention.encoder import Encoder, EncoderBlock
from dctbench.attention.scopes import build_scope
from dctbench.errors import UsageError
from tests.support.definitions import Sizes, array

SIZES: Sizes = {"seq_len": 12, "dim": 16, "heads": 2}


class ByRatio(nn.Module):
    """A user's own layer that knows ratios only."""

    default_kept = 3

    def __init__(self, *, seq_len: int, dim: int, heads: int, ratio: float | None = None, **options: object) -> None:
        super().__init__()
        self.ratio = ratio


class ByNumber(nn.Module):
    """A user's own layer that knows numbers only."""

    def __init__(self, *, seq_len: int, dim: int, heads: int, kept: int | None = None) -> None:
        super().__init__()
        self.kept = kept


class ByNeither(ByRatio):
    default_kept = "all"  # type: ignore[assignment]
    error_means = "much"


class Trained(ByRatio):
    error_means = "untrained"


def test_a_layer_of_ones_own_is_told_how_much_to_keep_in_the_way_that_it_knows() -> None:
    by_ratio, by_number = (f"{__name__}:{name}" for name in ("ByRatio", "ByNumber"))
    assert [build(by_ratio, **SIZES, **told).ratio for told in ({"ratio": 2.5}, {"kept": 4}, {"kept": 99}, {})] == [
        2.5, 3.0, 1.0, 4.0,
    ]  # fmt: skip
    assert [build(by_number, **SIZES, **told).kept for told in ({"ratio": 2.5}, {"kept": 4}, {})] == [5, 4, None]
    assert (default_kept(by_ratio), default_kept(by_number)) == (3, None)
    assert uses_ratio(by_ratio)
    assert uses_ratio(by_number)
    with pytest.raises(UsageError, match="default_kept must be an integer of at least 1; got 'all'"):
        build(f"{__name__}:ByNeither", **SIZES)
    with pytest.raises(UsageError, match="both ratio=2 and kept=2 were given"):
        build(by_ratio, **SIZES, ratio=2, kept=2)
    for name, told in ((by_ratio, {"kept": 0}), (by_number, {"ratio": 0.5})):
        with pytest.raises(UsageError, match="at least 1"):
            build(name, **SIZES, **told)


def test_a_layer_of_ones_own_states_what_its_error_means() -> None:
    assert error_means(f"{__name__}:ByRatio") is catalog.ErrorMeans.APPROXIMATES
    assert error_means(f"{__name__}:Trained") is catalog.ErrorMeans.UNTRAINED
    assert error_means("linear") is catalog.ErrorMeans.OTHER
    with pytest.raises(UsageError, match="error_means must be one of approximates, other, untrained; got 'much'"):
        error_means(f"{__name__}:ByNeither")


def small_encoder(name: str = "full", blocks: int = 2) -> Encoder:
    torch.manual_seed(0)
    return Encoder(
        lambda: build(name, **SIZES, dtype=torch.float64),
        seq_len=12,
        dim=16,
        blocks=blocks,
        feed_forward=24,
        vocabulary=50,
        dtype=torch.float64,
    )


def torchs_own(block: nn.Module) -> nn.TransformerEncoderLayer:
    """Return torch's encoder layer with the weights of one of our blocks."""
    layer = nn.TransformerEncoderLayer(
        16, 2, 24, dropout=0.0, activation="gelu", batch_first=True, norm_first=False, dtype=torch.float64
    )
    ours = block.state_dict()
    stacked = {
        kind: torch.cat([ours[f"attention.{part}_proj.{kind}"] for part in "qkv"]) for kind in ("weight", "bias")
    }
    renamed = {"self_attn.in_proj_weight": stacked["weight"], "self_attn.in_proj_bias": stacked["bias"]}
    for theirs, own in {
        "self_attn.out_proj": "attention.out_proj",
        "linear1": "widen",
        "linear2": "narrow",
        "norm1": "attention_norm",
        "norm2": "feed_forward_norm",
    }.items():
        renamed |= {f"{theirs}.{kind}": ours[f"{own}.{kind}"] for kind in ("weight", "bias")}
    layer.load_state_dict(renamed)
    return layer


@pytest.mark.parametrize("padded", [False, True])
def test_the_encoder_equals_torchs_post_layernorm_encoder(padded: bool) -> None:
    encoder = small_encoder()
    tokens = torch.arange(24).reshape(2, 12)
    mask = torch.arange(12) < torch.tensor([[12], [7]]) if padded else torch.ones(2, 12, dtype=torch.bool)
    x: Tensor = encoder.norm(encoder.tokens(tokens) + encoder.positions)
    for block in encoder.blocks:
        x = torchs_own(block)(x, src_key_padding_mask=~mask)
    torch.testing.assert_close(encoder(tokens, mask if padded else None)[mask], x[mask])


def test_positions_start_as_sinusoids() -> None:
    positions = array(small_encoder().positions)
    wavelengths = 10_000 ** (np.arange(0, 16, 2) / 16)
    np.testing.assert_allclose(positions[5], np.concatenate([np.sin(5 / wavelengths), np.cos(5 / wavelengths)]))


def test_an_odd_width_has_sinusoids_too() -> None:
    encoder = Encoder(lambda: build("none", seq_len=4, dim=5, heads=1), seq_len=4, dim=5, vocabulary=9)
    assert encoder(torch.zeros(1, 4, dtype=torch.long)).shape == (1, 4, 5)


def test_the_scope_is_the_papers_encoder() -> None:
    encoder = build_scope("encoder", "dct-x", seq_len=64, dim=512, heads=8, ratio=4, device="meta")
    assert isinstance(encoder, Encoder)
    assert len(encoder.blocks) == 4
    assert encoder.tokens.weight.shape == (30522, 512)
    assert encoder.positions.shape == (64, 512)
    block = encoder.blocks[0]
    assert isinstance(block, EncoderBlock)
    assert block.widen.weight.shape == (2048, 512)
    assert block.attention is not encoder.blocks[1].attention


def test_padded_tokens_reach_no_real_one_through_the_encoder() -> None:
    encoder = small_encoder()
    mask = torch.arange(12)[None, :] < 7
    tokens = torch.arange(12)[None, :]
    other = torch.where(mask, tokens, 49)
    torch.testing.assert_close(encoder(other, mask)[mask], encoder(tokens, mask)[mask])


def test_the_attention_scope_keeps_what_the_method_itself_needs_and_no_more() -> None:
    assert not build_scope("attention", "sdpa", **SIZES).state_dict()
    assert list(build_scope("attention", "linformer", **SIZES, ratio=3).state_dict()) == ["layer.E"]


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown scope 'model'"):
        build_scope("model", "full", **SIZES)


def test_tokens_of_another_length_are_refused() -> None:
    with pytest.raises(UsageError, match=r"expected tokens \(batch, 12\)"):
        small_encoder()(torch.zeros(2, 11, dtype=torch.long))
