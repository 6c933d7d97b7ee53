"""The split of a call's time: every operation belongs to exactly one part, the correct one."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.autograd.profiler import profile

from dctbench import catalog
from dctbench.catalog import Family
from dctbench.model import Case
from dctbench.worker.metrics import inputs
from dctbench.worker.metrics import split as module_of_split
from dctbench.worker.metrics.split import PARTS, split
from dctbench.worker.workload import make_arguments, make_module
from tests.attention.test_contract import HERE

SPLIT = [name for name in HERE if name not in ("fnet", "none")]


def made(implementation: str, **given: Any) -> tuple[nn.Module, Callable[[], object]]:
    ratio = 4 if catalog.IMPLEMENTATIONS[implementation].uses_ratio else None
    case = Case(implementation, 64, ratio, heads=2, head_dim=8, **given)
    module, arguments = make_module(case), make_arguments(case, inputs.noise)
    return module, lambda: module(*arguments)


def count(call: Callable[[], object]) -> int:
    call()
    with profile(use_kineto=False) as profiled:
        call()
    return len(profiled.function_events or ())


@pytest.mark.parametrize(
    ("implementation", "scope"), [*((name, "layer") for name in SPLIT), ("dct-qkv", "attention"), ("dct-x", "encoder")]
)
@torch.inference_mode()
def test_the_parts_contain_every_operation_of_the_call_once(implementation: str, scope: str) -> None:
    module, call = made(implementation, scope=scope)
    expected = count(call)
    found = split(module, call)
    assert found is not None
    assert sum(found.operations.values()) == expected
    assert set(found.seconds) == set(found.operations) == set(PARTS)
    assert sum(found.shares.values()) == pytest.approx(1)
    assert min(found.seconds.values()) >= 0
    assert (found.operations["transform"] > 0) is (catalog.IMPLEMENTATIONS[implementation].family is Family.DCT)
    assert found.operations["attention"] > 0
    assert (found.operations["projections"] > 0) is (scope != "attention")


@torch.inference_mode()
def test_feed_forward_layers_are_no_projections() -> None:
    layer, encoder = split(*made("sdpa")), split(*made("sdpa", scope="encoder"))
    assert layer is not None
    assert encoder is not None
    assert encoder.operations["projections"] == 4 * layer.operations["projections"]
    assert encoder.operations["other"] > 4 * layer.operations["other"]


@pytest.mark.parametrize("implementation", ["fnet", "none"])
@torch.inference_mode()
def test_a_method_without_these_parts_has_no_split(implementation: str) -> None:
    assert split(*made(implementation)) is None


@torch.inference_mode()
def test_the_marks_are_removed_even_after_a_failure() -> None:
    module, call = made("dct-resample")
    before = [set(vars(part)) for part in module.modules()]
    split(module, call)
    assert [set(vars(part)) for part in module.modules()] == before

    def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        split(module, fails)
    assert [set(vars(part)) for part in module.modules()] == before


def events(microseconds: float) -> list[Any]:
    """What torch's profiler tells of a call: one operation in the attention and one beside it, and the marks."""

    def event(name: str, took: float, parent: Any = None) -> Any:
        kind = SimpleNamespace(name="CPU")
        return SimpleNamespace(name=name, self_cpu_time_total=took, cpu_parent=parent, device_type=kind)

    call = event("dctbench.call", 1.0)
    layer = event("dctbench.layer", 2.0, call)
    attention = event("dctbench.attention", 3.0, layer)
    return [call, layer, attention, event("aten::mm", microseconds, attention), event("aten::add", 4.0, layer)]


def test_the_fastest_of_several_calls_counts_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = iter([events(500.0), events(90.0), events(700.0)])

    class Profile:
        def __init__(self, **_: Any) -> None:
            self.function_events = next(passes)

        def __enter__(self) -> Profile:
            return self

        def __exit__(self, *_: object) -> None:
            """Nothing was begun."""

    monkeypatch.setattr(module_of_split, "profile", Profile)
    found = split(nn.Linear(2, 2), lambda: None, repeats=3)
    assert found is not None
    assert found.seconds == pytest.approx({"transform": 0, "attention": 93e-6, "projections": 0, "other": 7e-6})
    assert found.operations == {"transform": 0, "attention": 1, "projections": 0, "other": 1}
    assert found.shares["attention"] == pytest.approx(0.93)
