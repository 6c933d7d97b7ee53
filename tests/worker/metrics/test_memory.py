"""Estimates of a call's memory against what it allocates, and the bytes that a module keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from dctbench.attention import build
from dctbench.model import Case
from dctbench.worker.devices.cpu_memory import peak_tensor_bytes
from dctbench.worker.memory_need import estimated_bytes
from dctbench.worker.metrics.memory import predicted_tensor_bytes, state_bytes
from dctbench.worker.workload import make_module, make_workload


@pytest.mark.parametrize("name", ["full", "sdpa", "pool", "none"])
def test_the_estimate_for_what_does_not_fit_agrees_with_what_does(name: str) -> None:
    n, dim, heads = 512, 64, 4
    ratio = 4 if name == "pool" else None

    def make() -> Callable[[], object]:
        layer = build(name, seq_len=n, dim=dim, heads=heads, ratio=ratio)
        x = torch.empty(1, n, dim)
        return lambda: layer(x)

    with torch.inference_mode():
        layer = build(name, seq_len=n, dim=dim, heads=heads, ratio=ratio)
        x = torch.randn(1, n, dim)
        measured = peak_tensor_bytes(lambda: layer(x))
    predicted = predicted_tensor_bytes(make)
    scratch = 256 << 10  # scratch memory of kernels, which an estimate by shapes does not include
    assert predicted <= measured < predicted + scratch


def test_the_composite_kernels_matrices_are_in_the_estimate_and_a_fused_kernel_has_none() -> None:
    n, dim, heads = 512, 64, 4
    matrix = heads * n * n * 4

    def make() -> Callable[[], object]:
        layer = build("sdpa-math", seq_len=n, dim=dim, heads=heads)
        x = torch.empty(1, n, dim)
        return lambda: layer(x)

    with torch.inference_mode():
        layer = build("sdpa-math", seq_len=n, dim=dim, heads=heads)
        x = torch.randn(1, n, dim)
        measured = peak_tensor_bytes(lambda: layer(x))
    predicted = predicted_tensor_bytes(make, math_attention=True)
    assert 2 * matrix < predicted <= measured
    assert measured < 1.2 * predicted
    with torch.inference_mode():  # estimated in the mode of the call
        assert 2 * matrix < (estimated_bytes(Case("sdpa-math", n, heads=heads, head_dim=dim // heads)) or 0)
        assert (estimated_bytes(Case("sdpa", n, heads=heads, head_dim=dim // heads)) or 0) < matrix


@pytest.mark.parametrize("mode", ["backward", "train"])
@pytest.mark.parametrize("name", ["full", "sdpa", "sdpa-math", "linear"])
def test_the_estimate_for_training_agrees_with_forward_and_backward(name: str, mode: str) -> None:
    case = Case(name, 512, heads=4, head_dim=16, mode=mode)
    subject = make_workload(case, make_module(case))
    measured = peak_tensor_bytes(lambda: subject.call(subject.prepare(0)))
    predicted = estimated_bytes(case)
    assert predicted is not None
    scratch = 1 << 20  # of the kernels
    assert predicted <= measured < predicted + scratch
    assert predicted > (estimated_bytes(replace(case, mode="forward")) or 0)


def test_state_counts_parameters_and_buffers_and_shared_storage_once() -> None:
    class Layer(nn.Module):
        table: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(10, 10))
            self.tied = self.weight
            self.register_buffer("table", torch.empty(100, dtype=torch.float64), persistent=False)
            self.register_buffer("view", self.table[:50], persistent=False)

    assert state_bytes(Layer()) == 400 + 800
