"""Replacing the attention of models of transformers: by its attention interface, and as whole modules."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from dctbench.conversion.convert import check_reproduces, convert, find, needs_input
from dctbench.conversion.sites import masks_checked
from dctbench.conversion.subject import Inputs, Purpose, Subject
from dctbench.errors import UnsupportedError
from tests.conversion.test_convert import BATCH, N, output

transformers = pytest.importorskip("transformers", reason="needs the extra transformers")


def tiny(kind: str, **more: object) -> Subject:
    """A random model of transformers with tokens as inputs."""
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
             "vocab_size": 50, "max_position_embeddings": 64}  # fmt: skip
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **{**shape, **more})
    model = transformers.AutoModel.from_config(config).eval()

    def inputs(seq_len: int, batch: int, number: int, purpose: Purpose) -> Inputs:
        source = torch.Generator().manual_seed(number)
        return (), {"input_ids": torch.randint(0, 50, (batch, seq_len), generator=source)}

    return Subject(kind, model, inputs, None)


@pytest.mark.parametrize("method", ["sdpa", "dct-kv", "dct-resample"])
@pytest.mark.parametrize("structural", [False, True])
def test_a_model_of_transformers_is_reproduced_on_both_ways(method: str, structural: bool) -> None:
    """Between the projections by the attention interface, and as whole modules."""
    model = tiny("bert")
    inputs = model.inputs(N, BATCH, 0)
    found = find(model, inputs)
    assert len(found.replaceable) == 2
    converted = convert(model, found, method, ratio=1, structural=structural)
    np.testing.assert_allclose(output(converted.model, inputs), output(model.model, inputs), atol=2e-5)


@pytest.mark.parametrize("structural", [False, True])
def test_masks_of_transformers_are_translated(structural: bool) -> None:
    model = tiny("bert")
    ids = model.inputs(N, BATCH, 0)[1]["input_ids"]
    mask = torch.ones_like(ids)
    mask[:, -4:] = 0
    found = find(model, model.inputs(N, BATCH, 0))
    converted = convert(model, found, "sdpa", structural=structural).model
    inputs: Inputs = ((), {"input_ids": ids, "attention_mask": mask})
    np.testing.assert_allclose(output(converted, inputs)[:, :-4], output(model.model, inputs)[:, :-4], atol=2e-5)
    changed = ids.clone()
    changed[:, -4:] = 7
    other = output(converted, ((), {"input_ids": changed, "attention_mask": mask}))
    np.testing.assert_allclose(other[:, :-4], output(converted, inputs)[:, :-4], atol=1e-6)


def test_the_function_that_is_replaced_gets_queries_keys_and_values_of_the_model() -> None:
    """A layer with the identity as its attention: the values come out, as if every token saw only itself."""
    model = tiny("bert", num_hidden_layers=1)
    inputs = model.inputs(N, BATCH, 0)
    found = find(model, inputs)
    values: list[Tensor] = []
    model.model.get_submodule("encoder.layer.0.attention.self.value").register_forward_hook(
        lambda module, given, out: values.append(out)
    )
    attended: list[Tensor] = []
    converted = convert(model, found, "none").model
    converted.get_submodule("encoder.layer.0.attention.output.dense").register_forward_hook(
        lambda module, given, out: attended.append(given[0])
    )
    output(model.model, inputs)
    output(converted, inputs)
    np.testing.assert_allclose(attended[0], values[0], atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "more", "says"),
    [
        ("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 4}, "causal"),
        ("llama", {"num_key_value_heads": 2}, "grouped queries|causal|RoPE"),
        (
            "modernbert",
            dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 0),
            "RoPE|local|query to query",
        ),
    ],
)
def test_models_of_transformers_that_a_replacement_would_break_are_refused(
    kind: str, more: dict[str, object], says: str
) -> None:
    model = tiny(kind, **more)
    with pytest.raises(UnsupportedError, match=says):
        find(model, model.inputs(N, BATCH, 0))


@pytest.mark.parametrize("method", ["sdpa", "dct-kv", "dct-x"])
def test_cross_attention_to_a_sequence_of_the_same_length_is_left_and_named(method: str) -> None:
    """BART shifts its input into the decoder."""
    model = tiny("bart", num_hidden_layers=1, decoder_layers=1, decoder_attention_heads=4)
    inputs = model.inputs(N, BATCH, 0)
    found = find(model, inputs)
    assert [site.name for site in found.replaceable] == ["encoder.layers.0.self_attn"]
    assert "cross-attention" in found.refused["decoder.layers.0.encoder_attn"]
    assert "causal" in found.refused["decoder.layers.0.self_attn"]
    check_reproduces(model, found, inputs, structural=needs_input(method))
    assert convert(model, found, method, ratio=2).replaced == ("encoder.layers.0.self_attn",)


def test_cross_attention_whose_projections_have_no_usual_names_is_refused_as_such() -> None:
    model = tiny("t5", d_model=32, d_kv=8, d_ff=64, num_hidden_layers=1, num_decoder_layers=1)
    ids = model.inputs(N, BATCH, 0)[1]["input_ids"]
    with pytest.raises(UnsupportedError, match=r"EncDecAttention: it is cross-attention"):
        find(model, ((), {"input_ids": ids, "decoder_input_ids": ids}))


def test_learned_weights_beside_the_projections_are_random_between_them_as_well() -> None:
    model = tiny("bert")
    found = find(model, model.inputs(N, BATCH, 0))
    assert convert(model, found, "linformer", ratio=2).random == ("E",)
    assert convert(model, found, "performer", ratio=2).random == ()


@pytest.mark.parametrize("structural", [False, True])
def test_a_mask_that_differs_from_query_to_query_is_refused_where_masks_are_checked(structural: bool) -> None:
    model = tiny("bert")
    ids = model.inputs(N, BATCH, 0)[1]["input_ids"]
    converted = convert(model, find(model, ((), {"input_ids": ids})), "sdpa", structural=structural).model
    causal = torch.ones(N, N, dtype=torch.bool).tril()[None, None].expand(BATCH, 1, N, N)
    padding = torch.ones(BATCH, N, dtype=torch.long)
    padding[:, -4:] = 0
    with masks_checked(converted):
        output(converted, ((), {"input_ids": ids, "attention_mask": padding}))
        with pytest.raises(UnsupportedError, match="a mask that differs from query to query"):
            output(converted, ((), {"input_ids": ids, "attention_mask": causal}))
    output(converted, ((), {"input_ids": ids, "attention_mask": causal}))  # while it is timed, nothing is checked


def test_methods_without_a_q_k_v_form_take_whole_modules() -> None:
    assert needs_input("dct-x")
    assert not needs_input("dct-kv")
    model = tiny("bert")
    inputs = model.inputs(N, BATCH, 0)
    converted = convert(model, find(model, inputs), "dct-x", ratio=2)
    assert not torch.allclose(output(converted.model, inputs), output(model.model, inputs), atol=1e-3)
    names = [name for name, _ in converted.model.named_parameters()]
    assert "encoder.layer.0.attention.self.layer.out_proj.weight" in names
    assert "encoder.layer.0.attention.output.dense.weight" not in names


def test_exact_attention_stays_where_a_layer_is_left() -> None:
    model = tiny("bert")
    inputs = model.inputs(N, BATCH, 0)
    converted = convert(model, find(model, inputs), "none", layers="1")
    hidden: list[Tensor] = []
    for each in (model.model, converted.model):
        each.get_submodule("encoder.layer.0").register_forward_hook(
            lambda module, given, out: hidden.append(out if isinstance(out, Tensor) else out[0])
        )
        output(each, inputs)
    np.testing.assert_allclose(hidden[0], hidden[1], atol=1e-6)


def test_a_converted_model_works_after_another_one_was_looked_at() -> None:
    first, second = tiny("bert"), tiny("bert", num_hidden_layers=1)
    inputs = first.inputs(N, BATCH, 0)
    converted = convert(first, find(first, inputs), "none").model
    before = output(converted, inputs)
    find(second, inputs)
    assert torch.equal(output(converted, inputs), before)
