"""A model is converted only if exact attention in the place of its own gives its outputs."""

from __future__ import annotations

import pytest
import torch

from dctbench.errors import UnsupportedError
from dctbench.model import Case
from dctbench.worker.model_call import make_model_call


def case(model: str, dtype: str) -> Case:
    return Case("sdpa", 16, scope="model", heads=4, head_dim=8, model=f"tests.support.models:{model}", dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_attention_that_does_more_is_refused_in_every_dtype(dtype: str) -> None:
    with pytest.raises(UnsupportedError, match="its attention does more"):
        make_model_call(case("other_scale", dtype), {})


def test_rounding_to_half_precision_is_no_reason_to_refuse_a_model() -> None:
    module = make_model_call(case("encoder", "bfloat16"), {})
    assert {parameter.dtype for parameter in module.parameters()} == {torch.bfloat16}
