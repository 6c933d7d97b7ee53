"""What a case of a check is compared with."""

from __future__ import annotations

from dctbench import catalog
from dctbench.app.check_plan import _same_shape
from dctbench.model import Case


def test_the_reference_in_a_model_is_the_model_as_it_is_and_other_methods_replace_the_same_layers() -> None:
    judged = Case("dct-x", 64, 2, scope="model", model="minilm", layers="2..", recover=10)
    plain = _same_shape(judged, "sdpa", catalog.implementation("sdpa"))
    assert plain == Case("sdpa", 64, scope="model", model="minilm")
    other = _same_shape(judged, "none", catalog.implementation("none"))
    assert other == Case("none", 64, scope="model", model="minilm", layers="2..", recover=10)
