"""Replacing the attention of models: what is found, what is refused, and what the converted model computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dctbench.attention import build, uses_ratio
from dctbench.catalog import IMPLEMENTATIONS
from dctbench.conversion.convert import Found, check_reproduces, convert, find
from dctbench.conversion.loading import load
from dctbench.conversion.subject import Called, Inputs, Subject
from dctbench.errors import UnsupportedError, UsageError
from tests.support.models import HEADS, WIDTH

N, BATCH = 12, 2


def subject(name: str) -> Subject:
    return load(f"tests.support.models:{name}")


def found_in(name: str) -> tuple[Subject, Found, Inputs]:
    model = subject(name)
    inputs = model.inputs(N, BATCH, 0)
    return model, find(model, inputs), inputs


def output(model: nn.Module, inputs: Inputs) -> Tensor:
    with torch.inference_mode():
        out: Tensor = Called(model)(*inputs[0], **inputs[1])
    return out


@pytest.mark.parametrize("name", ["encoder", "classifier"])
@pytest.mark.parametrize("method", ["sdpa", "full", "dct-kv", "dct-resample", "pool-kv"])
def test_methods_that_are_exact_at_ratio_1_reproduce_the_model(name: str, method: str) -> None:
    model, found, inputs = found_in(name)
    converted = convert(model, found, method, ratio=1)
    assert len(converted.replaced) == 2
    np.testing.assert_allclose(output(converted.model, inputs), output(model.model, inputs), atol=2e-5)


def test_each_layer_has_random_features_of_its_own_which_are_the_same_every_time() -> None:
    model, found, _ = found_in("encoder")
    first, again = ([value for name, value in convert(model, found, "performer", ratio=2).model.named_buffers()
                     if name.endswith("omega")] for _ in range(2))  # fmt: skip
    assert len(first) == 2
    assert not torch.equal(*first)
    assert all(map(torch.equal, first, again))


def test_a_converted_model_computes_what_the_layer_with_its_weights_does() -> None:
    """Attention by hand with the layer of dct-x in its place, built here from the weights of the model."""
    model, found, inputs = found_in("classifier")
    original = model.model
    layers = []
    for part in (original.get_submodule("first"), original.get_submodule("second")):
        layer = build("dct-x", seq_len=N, dim=WIDTH, heads=HEADS, ratio=3)
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            getattr(layer, name).load_state_dict(part.get_submodule(name).state_dict())
        layers.append(layer)
    x = inputs[0][0]
    with torch.inference_mode():
        expected = original.get_submodule("head")(layers[1](x + layers[0](x)).mean(1))
    np.testing.assert_allclose(output(convert(model, found, "dct-x", ratio=3).model, inputs), expected, atol=1e-6)


def test_a_model_that_is_itself_an_attention_is_replaced() -> None:
    """`none` keeps the projections alone: out_proj(v_proj(x))."""
    model, found, inputs = found_in("attention")
    converted = convert(model, found, "none")
    assert converted.replaced == ("",)
    x, original = inputs[0][0], model.model
    with torch.inference_mode():
        expected = original.get_submodule("out_proj")(original.get_submodule("v_proj")(x))
    np.testing.assert_allclose(output(converted.model, inputs), expected, atol=1e-6)
    check_reproduces(model, found, inputs, structural=True)


def test_an_attention_that_several_blocks_share_is_replaced_in_all_of_them() -> None:
    model, found, inputs = found_in("shared")
    converted = convert(model, found, "none")
    assert len(converted.replaced) == 1
    x, attention = inputs[0][0], model.model.get_submodule("blocks.0.attention")
    with torch.inference_mode():
        for _ in range(3):
            x = x + attention.get_submodule("out_proj")(attention.get_submodule("v_proj")(x))
    np.testing.assert_allclose(output(converted.model, inputs), x, rtol=1e-5, atol=1e-5)
    check_reproduces(model, found, inputs, structural=True)


BETA = {"beta_proj.weight"}
GATED = {*BETA, "gate_proj.weight", "decay_proj.weight", "log_rate", "decay_bias"}
LEARNED = {
    "linformer": {"E"}, "linformer-per-head": {"E"}, "delta-net": BETA, "delta-net-bidirectional": BETA,
    "gated-delta-net": GATED, "gated-delta-net-bidirectional": GATED,
}  # fmt: skip
"""By method, the learned weights beside the projections of which its paper names no constant to start from."""


@pytest.mark.parametrize("method", [name for name in IMPLEMENTATIONS if not name.startswith("sdpa-")])
def test_learned_weights_that_a_model_does_not_have_are_known_to_be_random(method: str) -> None:
    """Neither are those of random features, which a method draws and does not learn, nor a norm that starts at 1."""
    model, found, _ = found_in("encoder")
    converted = convert(model, found, method, ratio=2 if uses_ratio(method) else None, layers="1")
    assert set(converted.random) == LEARNED.get(method, set())


def test_the_options_of_a_method_decide_whether_it_has_learned_weights_of_its_own() -> None:
    model, found, _ = found_in("encoder")
    assert convert(model, found, "nystromformer", ratio=2, options={"convolution": 3}).random == ("convolution.weight",)


class Fixed(nn.Module):
    """Has the projections, a constant that it learns from, and a drawn matrix that it does not learn."""

    def __init__(self, *, seq_len: int, dim: int, heads: int) -> None:
        super().__init__()
        self.v_proj, self.out_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.scale = nn.Parameter(torch.linspace(0, 1, dim))
        self.features = nn.Parameter(torch.randn(dim), requires_grad=False)


def test_of_other_layers_the_weights_that_the_model_has_not_are_random() -> None:
    for name in ("encoder", "classifier"):
        model, found, _ = found_in(name)
        unusual = convert(model, found, "tests.support.models:FusedLayer", layers="1")
        assert set(unusual.random) == {"fused.weight", "fused.bias", "last.weight", "last.bias"}
        assert convert(model, found, f"{__name__}:Fixed").random == ()


def test_a_model_with_the_length_first_is_replaced_as_well() -> None:
    model = subject("sequence_first")
    inputs: Inputs = ((torch.randn(N, BATCH, WIDTH),), {})
    found = find(model, inputs)
    assert [site.length for site in found.sites] == [N]
    np.testing.assert_allclose(
        output(convert(model, found, "sdpa").model, inputs), output(model.model, inputs), atol=2e-5
    )


def test_padding_stays_padding() -> None:
    """In torch's encoder True marks padding: the content of padded positions must not reach a real token."""
    model, found, inputs = found_in("encoder")
    x = inputs[0][0]
    padded = torch.zeros(BATCH, N, dtype=torch.bool)
    padded[:, -3:] = True
    changed = x.clone()
    changed[:, -3:] = 100.0
    converted = convert(model, found, "sdpa").model
    before = output(converted, ((x,), {"src_key_padding_mask": padded}))
    after = output(converted, ((changed,), {"src_key_padding_mask": padded}))
    np.testing.assert_allclose(before[:, :-3], after[:, :-3], atol=1e-6)
    np.testing.assert_allclose(
        before[:, :-3], output(model.model, ((x,), {"src_key_padding_mask": padded}))[:, :-3], atol=2e-5
    )


@pytest.mark.parametrize("layers", [None, "1"])
def test_an_encoder_that_nests_padded_inputs_is_replaced(layers: str | None) -> None:
    model = subject("nesting")
    padded = torch.zeros(BATCH, N, dtype=torch.bool)
    padded[0, -3:] = True
    inputs: Inputs = ((torch.randn(BATCH, N, WIDTH),), {"src_key_padding_mask": padded})
    found = find(model, inputs)
    assert [site.length for site in found.replaceable] == [N, N]
    check_reproduces(model, found, inputs, structural=True)
    assert output(convert(model, found, "none", layers=layers).model, inputs).shape == (BATCH, N, WIDTH)


def test_layers_can_be_chosen_and_the_others_stay() -> None:
    model, found, inputs = found_in("encoder")
    first = convert(model, found, "none", layers="0")
    assert first.replaced == ("layers.0.self_attn",)
    assert first.kept == ("layers.1.self_attn",)
    later = convert(model, found, "none", layers="1..")
    assert later.replaced == first.kept
    both = convert(model, found, "none")
    outputs = [output(each.model, inputs) for each in (first, later, both)]
    assert not torch.allclose(outputs[0], outputs[1])
    assert not torch.allclose(outputs[0], outputs[2])
    with pytest.raises(UsageError, match="2 attentions"):
        convert(model, found, "none", layers="2")


def test_the_original_is_not_changed() -> None:
    model, found, inputs = found_in("encoder")
    before = output(model.model, inputs)
    converted = convert(model, found, "none").model
    with torch.no_grad():
        for parameter in converted.parameters():
            parameter.zero_()
    assert torch.equal(output(model.model, inputs), before)


def test_what_cannot_be_replaced_is_named_with_its_reason() -> None:
    with pytest.raises(UnsupportedError, match=r"own: it is causal; cross: it is cross-attention"):
        found_in("decoder")


def test_a_model_of_which_a_part_can_be_replaced_names_the_other() -> None:
    _, found, _ = found_in("nameless_heads")
    assert [site.name for site in found.replaceable] == ["second"]
    assert "how many heads" in found.refused["first"]


@pytest.mark.parametrize(
    ("name", "says"),
    [("partly_causal", "does more"), ("other_scale", "does more"), ("restless", "another output for the same input")],
)
def test_attention_that_does_more_than_attention_is_refused_by_what_it_computes(name: str, says: str) -> None:
    model, found, inputs = found_in(name)
    with pytest.raises(UnsupportedError, match=says):
        check_reproduces(model, found, inputs, structural=True)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("single_own", "without a query, key and value"),
        ("single_positions", "not one tensor: positions are added"),
        ("single_two_positions", "its query, key and value are three tensors: positions are added to query and key"),
        ("single_copies", "not one tensor: .* computed twice"),
    ],
)
def test_a_refusal_says_how_the_attention_is_called(name: str, says: str) -> None:
    with pytest.raises(UnsupportedError, match=says):
        found_in(name)


@pytest.mark.parametrize(
    ("name", "says"),
    [("single_weights", "in addition to its output, such as the weights"), ("single_infinite", "not finite")],
)
def test_a_model_that_cannot_be_compared_is_refused_with_the_reason(name: str, says: str) -> None:
    model, found, inputs = found_in(name)
    with pytest.raises(UnsupportedError, match=says):
        check_reproduces(model, found, inputs, structural=True)


def test_an_attention_that_gets_its_input_as_query_key_and_value_is_replaced() -> None:
    model, found, inputs = found_in("thrice")
    check_reproduces(model, found, inputs, structural=True)


def test_a_model_without_attention_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="no attention that dctbench can replace"):
        found_in("without_attention")


def test_a_function_that_returns_no_model_is_refused() -> None:
    with pytest.raises(UsageError, match=r"returned a int, not a torch\.nn\.Module"):
        subject("number")
