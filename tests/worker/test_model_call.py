"""A model is converted only if exact attention in the place of its own gives its outputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dctbench.errors import UnsupportedError
from dctbench.model import Case
from dctbench.worker.model_call import load_subject, make_model_call, rotating_arguments
from dctbench.worker.workload import make_module, make_workload
from tests.conversion.shared_inputs import DATA
from tests.support.models import WIDTH


def case(model: str, dtype: str) -> Case:
    return Case("sdpa", 16, scope="model", heads=4, head_dim=8, model=f"tests.support.models:{model}", dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_attention_that_does_more_is_refused_in_every_dtype(dtype: str) -> None:
    with pytest.raises(UnsupportedError, match="its attention does more"):
        make_model_call(case("other_scale", dtype), {})


def test_rounding_to_half_precision_is_no_reason_to_refuse_a_model() -> None:
    module = make_model_call(case("encoder", "bfloat16"), {})
    assert {parameter.dtype for parameter in module.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_complex_buffers_stay_complex(dtype: str) -> None:
    model = load_subject("tests.support.models:rotated", dtype).model
    expected = torch.polar(torch.ones(WIDTH), torch.arange(float(WIDTH)))
    assert torch.equal(model.get_buffer("turn"), expected)
    assert {parameter.dtype for parameter in model.parameters()} == {getattr(torch, dtype)}


class Seen(nn.Module):
    """Notes the device and dtype of its arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.arguments: list[tuple[str, torch.dtype]] = []

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        self.arguments = [(value.device.type, value.dtype) for value in (x, mask)]
        return x


def evaluate(model: nn.Module) -> float:
    """An evaluation that knows nothing of devices and dtypes."""
    model(torch.zeros(1, 2), mask=torch.ones(1, 2, dtype=torch.long))
    return 1.0


@pytest.mark.parametrize(("device", "dtype"), [("cpu", "bfloat16"), ("cpu", "float64"), ("meta", "float16")])
def test_what_an_evaluation_passes_to_the_model_is_moved_and_cast_as_its_inputs_are(
    device: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.models.evaluate", evaluate)
    subject = load_subject("tests.support.models:encoder", dtype, device)
    assert subject.evaluate is not None
    model = Seen()
    assert subject.evaluate(model, 2) == {"": [1.0]}
    assert model.arguments == [(device, getattr(torch, dtype)), (device, torch.int64)]
    model(torch.zeros(1, 2), mask=torch.ones(1, 2))
    assert model.arguments == [("cpu", torch.float32)] * 2


@pytest.mark.parametrize(("device", "dtype"), [("cpu", "bfloat16"), ("meta", "float16")])
def test_tensors_inside_a_dict_or_a_list_are_moved_and_cast(device: str, dtype: str) -> None:
    [[given], _] = load_subject("tests.conversion.nested:model", dtype, device).inputs(4, 2, 0)
    assert given["more"][1] == 0.5
    for value in (given["x"], given["more"][0]):
        assert (value.device.type, value.dtype) == (device, getattr(torch, dtype))


def test_each_call_of_a_model_gets_its_own_tensors_inside_a_dict_and_a_list() -> None:
    nested = replace(case("", "float32"), model="tests.conversion.nested:model")
    module = make_model_call(nested, {})
    original = module.conversions.subject
    arguments = rotating_arguments(nested, module)
    assert {len(tensors) for tensors in arguments} == {2}
    for number, tensors in enumerate(arguments):
        with torch.inference_mode():
            expected = original.model(*original.inputs(nested.seq_len, nested.batch, number)[0])
            np.testing.assert_allclose(module(*tensors), expected, atol=1e-5)


def test_timing_leaves_the_tensors_of_the_user_alone() -> None:
    shared = replace(case("", "float32"), model="tests.conversion.shared_inputs:model", batch=2, heads=2)
    before = DATA.clone()
    subject = make_workload(shared, make_module(shared))
    first = [value.clone() for value in subject.first]
    subject.renew(range(20))
    subject.restore(range(20, 24))
    assert torch.equal(DATA, before)
    assert all(torch.equal(value, kept) for value, kept in zip(subject.first, first, strict=True))


def test_a_list_that_an_evaluation_lets_the_model_fill_stays_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Filling(nn.Module):
        def forward(self, x: Tensor, seen: list[Tensor]) -> None:
            seen.append(x)

    def evaluate(model: nn.Module) -> float:
        seen: list[Tensor] = []
        model(torch.zeros(1), seen)
        return len(seen)

    monkeypatch.setattr("tests.support.models.evaluate", evaluate)
    subject = load_subject("tests.support.models:encoder", "bfloat16")
    assert subject.evaluate is not None
    assert subject.evaluate(Filling(), 2) == {"": [1.0]}


def test_a_model_in_half_precision_is_evaluated_by_an_evaluation_in_float32() -> None:
    subject = load_subject("tests.support.models:encoder", "bfloat16")
    assert subject.evaluate is not None
    assert len(subject.evaluate(subject.model, 16)["positive"]) == 10
