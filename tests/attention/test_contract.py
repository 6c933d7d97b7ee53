"""The contract of every attention in the catalog. A new method is covered by its line in the catalog."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dctbench import catalog
from dctbench.attention import AttentionLayer, build
from dctbench.attention.scopes import build_scope
from dctbench.errors import UnavailableError, UnsupportedError, UsageError
from tests.support.definitions import CompressedSizes

DIM, HEADS, RATIO = 24, 3, 4


def runs_here(name: str) -> bool:
    """Return False for a kernel that this CPU does not have; other errors appear in the tests."""
    try:
        build(name, seq_len=8, dim=DIM, heads=HEADS, ratio=2)
    except UnavailableError:
        return False
    except Exception:
        return True
    return True


NAMES = list(catalog.IMPLEMENTATIONS)
HERE = [name for name in NAMES if runs_here(name)]
every = pytest.mark.parametrize("name", HERE)
compressing = pytest.mark.parametrize("name", [name for name in HERE if catalog.IMPLEMENTATIONS[name].uses_ratio])
every_meta = pytest.mark.parametrize("name", NAMES)
"""Build the layer on the meta device, where no kernel is missing."""


def made(name: str, seq_len: int = 50, **arguments: Any) -> AttentionLayer:
    """Build a small layer in float64."""
    chosen = {"dim": DIM, "heads": HEADS, "ratio": RATIO, "dtype": torch.float64, **arguments}
    torch.manual_seed(0)
    layer = build(name, seq_len=seq_len, **chosen)
    assert isinstance(layer, AttentionLayer)
    return layer.eval()


def rows(batch: int, seq_len: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, seq_len, DIM, generator=generator, dtype=torch.float64).to(dtype)


def leading(seq_len: int, *real_tokens: int) -> Tensor:
    return torch.arange(seq_len)[None, :] < torch.tensor(real_tokens)[:, None]


def test_only_kernels_of_torch_may_be_missing_and_they_say_why() -> None:
    missing = set(NAMES) - set(HERE)
    assert missing <= {"sdpa-flash", "sdpa-efficient", "sdpa-cudnn"}
    for name in missing:
        with pytest.raises(UnavailableError, match=r"^unavailable: torch has no \w+ kernel on cpu for float64: \w"):
            made(name)


# Shapes and types


def with_its_options(name: str) -> list[dict[str, int]]:
    """The options that a method is tried with: none, and the convolution that trainings give it."""
    convolution = catalog.IMPLEMENTATIONS[name].convolution
    return [{}] if convolution is None else [{}, {"convolution": convolution}]


@every
@pytest.mark.parametrize("real_tokens", [None, (50, 31)])
def test_it_runs_under_autocast_forward_and_backward(name: str, real_tokens: tuple[int, ...] | None) -> None:
    mask = None if real_tokens is None else leading(50, *real_tokens)
    for options in with_its_options(name):
        layer, x = made(name, dtype=torch.float32, **options), rows(2, 50, dtype=torch.float32).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(x, mask)
        y.float().sum().backward()
        wanted = layer(x, mask)
        real = slice(None) if mask is None else mask
        assert (y - wanted)[real].norm() < 0.02 * wanted[real].norm()
        assert x.grad is not None
        assert x.grad.isfinite().all()


@every
@pytest.mark.parametrize("seq_len", [1, 2, 7, 64, 97])
@pytest.mark.parametrize("ratio", [1, 2.5, 1000])
def test_any_length_and_ratio(name: str, seq_len: int, ratio: float) -> None:
    layer = made(name, seq_len, ratio=ratio)
    for batch in (0, 1, 3):
        y = layer(rows(batch, seq_len))
        assert y.shape == (batch, seq_len, DIM)
        assert y.isfinite().all()


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_every_dtype_stays_near_float64(name: str, dtype: torch.dtype) -> None:
    precise = made(name)
    layer = made(name, dtype=dtype)
    # Both start from numbers that the lower precision can represent.
    layer.load_state_dict(precise.state_dict())
    precise.load_state_dict(layer.state_dict())
    x, mask = rows(2, 50, dtype=dtype), leading(50, 50, 31)
    for key_padding_mask in (None, mask):
        y = layer(x, key_padding_mask)
        assert y.dtype == dtype
        expected = precise(x.double(), key_padding_mask)
        difference = (y.double() - expected)[mask].norm() / expected[mask].norm()
        assert difference < {torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}[dtype]


@every
def test_inputs_of_another_shape_are_refused(name: str) -> None:
    layer = made(name)
    for wrong in (rows(2, 49), rows(2, 50)[..., :-1], rows(2, 50)[0]):
        with pytest.raises(UsageError, match="expected an input"):
            layer(wrong)
    for mask in (torch.ones(2, 50), torch.ones(2, 49, dtype=torch.bool), torch.ones(1, 50, dtype=torch.bool)):
        with pytest.raises(UsageError, match="key_padding_mask"):
            layer(rows(2, 50), mask)


@every
def test_a_ratio_is_required_exactly_where_the_catalog_says_so(name: str) -> None:
    if not catalog.IMPLEMENTATIONS[name].uses_ratio:
        build(name, seq_len=8, dim=DIM, heads=HEADS)
        assert not catalog.IMPLEMENTATIONS[name].kept_means
        return
    assert catalog.IMPLEMENTATIONS[name].kept_means
    for wrong in (0.5, math.nan, math.inf):
        with pytest.raises(UsageError, match=name):
            build(name, seq_len=8, dim=DIM, heads=HEADS, ratio=wrong)
    for both in ({"ratio": 2.0, "kept": 4}, {"kept": 0}):
        with pytest.raises(UsageError, match=name):
            build(name, seq_len=8, dim=DIM, heads=HEADS, **both)


@compressing
def test_kept_is_the_number_kept_whatever_the_length_and_at_most_the_length(name: str) -> None:
    for seq_len, kept in ((24, 6), (40, 6), (4, 6)):
        by_kept = made(name, seq_len, ratio=None, kept=kept)
        by_ratio = made(name, seq_len, ratio=seq_len / min(kept, seq_len))
        assert torch.equal(by_kept(x := rows(2, seq_len)), by_ratio(x))
        assert by_kept.flops() == by_ratio.flops()


@every
def test_without_either_a_method_keeps_the_number_of_its_paper_or_asks(name: str) -> None:
    entry = catalog.IMPLEMENTATIONS[name]
    if not entry.uses_ratio:
        assert entry.default_kept is None
    elif entry.default_kept is None:
        with pytest.raises(UsageError, match=f"{name} needs"):
            build(name, seq_len=8, dim=DIM, heads=HEADS)
    else:
        by_default = build(name, seq_len=300, dim=DIM, heads=HEADS)
        assert by_default.n_kept == entry.default_kept


@every_meta
def test_unknown_options_and_invalid_sizes_are_usage_errors(name: str) -> None:
    with pytest.raises(UsageError, match="no_such_option"):
        build(name, seq_len=8, dim=DIM, heads=HEADS, ratio=2, no_such_option=1)
    with pytest.raises(UsageError, match="does not divide"):
        build(name, seq_len=8, dim=DIM, heads=5, ratio=2)


# Padding


@every
def test_padded_content_reaches_no_real_token_unless_declared(name: str) -> None:
    layer = made(name)
    mask = leading(50, 50, 31, 1)
    mask[0, 7] = False  # a hole, not only a tail
    x = rows(3, 50)
    other = torch.where(mask[..., None], x, 1000 * rows(3, 50, seed=1))
    same = torch.allclose(layer(other, mask)[mask], layer(x, mask)[mask], rtol=1e-9, atol=1e-9)
    assert same != bool(layer.padded_content_leak), layer.padded_content_leak or "undeclared: padded tokens leak"


@every
def test_the_padded_length_changes_nothing_unless_declared(name: str) -> None:
    short, long = made(name, 41), made(name, 100)
    x = rows(2, 41)
    padded = torch.cat([x, rows(2, 59, seed=1)], dim=1)
    shapes = {key: value.shape for key, value in short.state_dict().items()}
    comparable = shapes == {key: value.shape for key, value in long.state_dict().items()}
    if comparable:
        long.load_state_dict(short.state_dict())
        same = torch.allclose(long(padded, leading(100, 41, 41))[:, :41], short(x), rtol=1e-9, atol=1e-9)
        assert same != bool(long.padding_leak), long.padding_leak or "undeclared: the padded length leaks"
    else:
        assert long.padding_leak, "undeclared: what the method learns or keeps has the padded length"


@every
def test_a_mask_of_real_tokens_only_changes_nothing(name: str) -> None:
    layer = made(name)
    x = rows(2, 50)
    torch.testing.assert_close(layer(x, leading(50, 50, 50)), layer(x), rtol=1e-9, atol=1e-9)


@every
def test_a_sequence_of_padding_gives_no_nan_forward_or_backward(name: str) -> None:
    for dtype in (torch.float64, torch.float32):
        layer = made(name, dtype=dtype)
        x = rows(2, 50, dtype=dtype).requires_grad_()
        y = layer(x, leading(50, 0, 50))
        assert y.isfinite().all()
        y.square().sum().backward()
        assert x.grad is not None
        assert x.grad.isfinite().all()
        assert all(p.grad is None or p.grad.isfinite().all() for p in layer.parameters())


@every
def test_a_sequence_does_not_depend_on_its_batch(name: str) -> None:
    layer = made(name)
    x = rows(3, 50) * torch.tensor([1.0, 5.0, 0.1], dtype=torch.float64)[:, None, None]
    mask = leading(50, 50, 31, 3)
    for masked in (None, mask):
        alone = torch.cat([layer(x[i : i + 1], None if masked is None else masked[i : i + 1]) for i in range(3)])
        real = torch.ones_like(mask) if masked is None else masked
        torch.testing.assert_close(layer(x, masked)[real], alone[real], rtol=1e-9, atol=1e-9)


# Gradients


@every
@pytest.mark.parametrize("masked", [False, True])
def test_gradients_reach_every_parameter(name: str, masked: bool) -> None:
    layer = made(name)
    x = rows(2, 50).requires_grad_()
    (layer(x, leading(50, 50, 31) if masked else None) * rows(2, 50, seed=1)).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad.any()
    for key, parameter in layer.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        # A bias of the keys adds a constant to all scores of a query, which softmax ignores.
        assert parameter.grad.any() or key == "k_proj.bias", key


@every
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    layer = made(name, 11)
    x = rows(2, 11).requires_grad_()
    mask = leading(11, 11, 6)
    parameters = list(layer.parameters())

    def real_rows(x: Tensor, *_: Tensor) -> Tensor:
        attended: Tensor = layer(x, mask)[mask]
        return attended

    assert torch.autograd.gradcheck(real_rows, (x, *parameters), fast_mode=True, atol=1e-5)


# State


@every
def test_two_calls_and_two_layers_of_one_seed_agree(name: str) -> None:
    x = rows(2, 50)
    layer = made(name)
    first = layer(x)
    assert torch.equal(layer(x), first)
    assert torch.equal(made(name)(x), first)


@every
def test_the_state_dict_is_the_whole_layer(name: str) -> None:
    x, mask = rows(2, 50), leading(50, 50, 31)
    layer = made(name)
    torch.manual_seed(1)
    other = build(name, seq_len=50, dim=DIM, heads=HEADS, ratio=RATIO, dtype=torch.float64).eval()
    other.load_state_dict(layer.state_dict())
    for masked in (None, mask):
        assert torch.equal(other(x, masked), layer(x, masked))
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))


@every
def test_weights_changed_after_a_call_affect_the_next_call(name: str) -> None:
    x = rows(2, 50)
    layer, fresh = made(name), made(name)
    before = layer(x)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(1.25).add_(0.01)
    fresh.load_state_dict(layer.state_dict())
    assert torch.equal(layer(x), fresh(x))
    assert torch.equal(layer(x), before) == (not list(layer.parameters()))


@every
def test_the_input_is_not_modified(name: str) -> None:
    x, mask = rows(2, 50), leading(50, 50, 31)
    before = x.clone(), mask.clone()
    made(name)(x, mask)
    assert torch.equal(x, before[0])
    assert torch.equal(mask, before[1])


@every
def test_layers_of_two_ratios_coexist(name: str) -> None:
    x = rows(2, 50)
    first = made(name, ratio=2)
    expected = first(x)
    made(name, ratio=10)(x)
    assert torch.equal(first(x), expected)


@every
def test_it_works_in_inference_mode(name: str) -> None:
    with torch.inference_mode():
        layer = made(name)
        x = rows(2, 50)
        y = layer(x, leading(50, 50, 31))
    assert y.isfinite().all()


# Exactness, scopes and cost


@every
def test_exact_methods_equal_softmax_attention_and_only_they_claim_it(name: str) -> None:
    layer, full = made(name), made("full")
    exact = catalog.IMPLEMENTATIONS[name].kind is catalog.Kind.EXACT
    if set(layer.state_dict()) != set(full.state_dict()):
        assert not exact
        return
    full.load_state_dict(layer.state_dict())
    x, mask = rows(2, 50), leading(50, 50, 31)
    same = all(torch.allclose(layer(x, m)[mask], full(x, m)[mask], rtol=1e-9, atol=1e-9) for m in (None, mask))
    if exact:
        assert same


def count_flops(call: nn.Module, *inputs: Tensor | None) -> int:
    """Count FLOPs by torch's counter on meta, with 2.5 n log2 n for a real FFT and 5 n log2 n for a complex one."""

    def transform(factor: float) -> Any:
        def formula(shape: torch.Size, dims: list[int], *_: Any, out_shape: torch.Size, **__: Any) -> int:
            size = max(math.prod(shape), math.prod(out_shape))
            longer = shape if math.prod(shape) >= math.prod(out_shape) else out_shape
            return round(factor * size * math.log2(max(2, math.prod(longer[d] for d in dims))))

        return formula

    mapping = {
        torch.ops.aten._fft_r2c: transform(2.5),
        torch.ops.aten._fft_c2r: transform(2.5),
        torch.ops.aten._fft_c2c: transform(5.0),
    }
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        call(*inputs)
    total: int = counter.get_total_flops()
    return total


@every_meta
@pytest.mark.parametrize(("seq_len", "dim", "heads", "ratio"), [(64, 32, 4, 4), (300, 64, 2, 7), (1024, 128, 8, 16)])
def test_the_formula_agrees_with_the_counter(name: str, seq_len: int, dim: int, heads: int, ratio: float) -> None:
    sizes: CompressedSizes = {"seq_len": seq_len, "dim": dim, "heads": heads, "ratio": ratio}
    layer = build(name, **sizes, device="meta")
    x = torch.empty(2, seq_len, dim, device="meta")
    assert isinstance(layer, AttentionLayer)
    assert layer.flops(2) == pytest.approx(count_flops(layer, x), rel=0.03)
    with_mask = count_flops(layer, x, torch.ones(2, seq_len, dtype=torch.bool, device="meta"))
    assert layer.flops(2) <= 1.03 * with_mask, "a mask saves nothing"
    assert layer.flops(2) == pytest.approx(2 * layer.flops(), rel=1e-6)


@every
def test_the_attention_scope_is_attend_where_the_catalog_says(name: str) -> None:
    entry = catalog.IMPLEMENTATIONS[name]
    sizes: CompressedSizes = {"seq_len": 50, "dim": DIM, "heads": HEADS, "ratio": RATIO}
    layer = made(name)
    q, k, v = (rows(2, 50, seed).unflatten(-1, (HEADS, -1)).transpose(1, 2) for seed in range(3))
    assert {"layer", "encoder"} <= set(entry.scopes) <= {"attention", "layer", "encoder"}
    if "attention" not in entry.scopes:
        with pytest.raises(UnsupportedError, match=f"{name} has no scope 'attention'"):
            build_scope("attention", name, **sizes)
        with pytest.raises(UnsupportedError):
            layer.attend(q, k, v)
        return
    torch.manual_seed(0)
    scope = build_scope("attention", name, **sizes, dtype=torch.float64).eval()
    assert not [key for key in scope.state_dict() if "proj" in key]
    mask = leading(50, 50, 31)
    scope.load_state_dict({f"layer.{key}": value for key, value in layer.state_dict().items() if "proj" not in key})
    torch.testing.assert_close(scope(q, k, v, mask), layer.attend(q, k, v, mask))

    meta = build_scope("attention", name, **sizes, device="meta")
    q = torch.empty(2, HEADS, 50, DIM // HEADS, device="meta")
    assert meta.flops(2) == pytest.approx(count_flops(meta, q, q, q), rel=0.03)  # type: ignore[operator]


@every
def test_the_layer_scope_is_the_layer(name: str) -> None:
    expected = made(name)
    torch.manual_seed(0)
    layer = build_scope("layer", name, seq_len=50, dim=DIM, heads=HEADS, ratio=RATIO, dtype=torch.float64).eval()
    assert torch.equal(layer(rows(2, 50)), expected(rows(2, 50)))


@every
def test_the_encoder_scope_runs_counts_and_learns(name: str) -> None:
    sizes: CompressedSizes = {"seq_len": 20, "dim": DIM, "heads": HEADS, "ratio": RATIO}
    encoder = build_scope("encoder", name, **sizes)
    mask = leading(20, 20, 13)
    y = encoder(torch.arange(40).reshape(2, 20), mask)
    assert y.shape == (2, 20, DIM)
    y[mask].square().sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())

    meta = build_scope("encoder", name, **sizes, device="meta")
    tokens = torch.empty(2, 20, dtype=torch.long, device="meta")
    assert meta.flops(2) == pytest.approx(count_flops(meta, tokens), rel=0.03)  # type: ignore[operator]
