"""Sharded layers compute what one device computes, by an independent reference in NumPy and SciPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.fft
import torch

from dctbench.attention import build
from dctbench.attention.sharded import build_sharded
from dctbench.attention.sharded.communication import Communicator, Silent, rank_bounds
from dctbench.errors import UnsupportedError, UsageError
from dctbench.transforms import CostModel, plan_dct
from tests.support.ranks import BATCH, DIM, HEADS, KEPT, METHODS, SEQ_LEN, Computed, computed, drawn

FLOAT64 = 8


@pytest.fixture(scope="module", params=[2, 3])
def ranks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, Computed]]:
    """The number of ranks, and what they computed over gloo."""
    folder: Path = tmp_path_factory.mktemp("ranks")
    return request.param, computed(request.param, folder)


def project(name: str, x: Any) -> Any:
    values = drawn()
    return x @ values[f"{name}.weight"].T + values[f"{name}.bias"]


def attend(q: Any, k: Any, v: Any) -> Any:
    """Softmax attention in each head: (batch, rows, dim) each -> the shape of q."""
    out, width = np.empty_like(q), DIM // HEADS
    for head in range(HEADS):
        part = slice(head * width, (head + 1) * width)
        scores = q[..., part] @ np.swapaxes(k[..., part], 1, 2) / np.sqrt(width)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        out[..., part] = weights / weights.sum(-1, keepdims=True) @ v[..., part]
    return out


def reference(method: str) -> Any:
    """The output (batch, n, dim) by the definition of the method."""
    x = drawn()["x"]
    z = scipy.fft.dct(x, norm="ortho", axis=1)[:, :KEPT]
    if method == "dct-x":
        values = drawn()
        mixed = attend(project("q_proj", z), project("k_proj", z), project("v_proj", z))
        padded = np.zeros_like(x)
        padded[:, :KEPT] = mixed @ values["out_proj.weight"].T
        return scipy.fft.idct(padded, norm="ortho", axis=1) + values["out_proj.bias"]
    among = x if method == "sdpa" else np.sqrt(KEPT / SEQ_LEN) * scipy.fft.idct(z, norm="ortho", axis=1)
    return project("out_proj", attend(project("q_proj", x), project("k_proj", among), project("v_proj", among)))


@pytest.mark.parametrize("method", METHODS)
def test_ranks_together_compute_the_definition(method: str, ranks: tuple[int, dict[str, Computed]]) -> None:
    np.testing.assert_allclose(ranks[1][method].output, reference(method), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_ranks_together_compute_what_one_device_does(method: str, ranks: tuple[int, dict[str, Computed]]) -> None:
    values = {name: torch.from_numpy(value) for name, value in drawn().items()}
    x = values.pop("x")
    kept = None if method == "sdpa" else KEPT
    layer = build(method, seq_len=SEQ_LEN, dim=DIM, heads=HEADS, kept=kept, dtype=torch.float64)
    layer.load_state_dict(values)
    with torch.inference_mode():
        expected = layer(x).numpy()
    np.testing.assert_allclose(ranks[1][method].output, expected, rtol=1e-10, atol=1e-10)


def test_bytes_are_those_of_the_ring_algorithm(ranks: tuple[int, dict[str, Computed]]) -> None:
    size, found = ranks
    # All-reduce of batch x kept x dim numbers: each rank sends p - 1 chunks of a p-th to be summed, and as many sums.
    chunk = {2: BATCH * KEPT * DIM // 2, 3: BATCH * KEPT * DIM // 3}[size]
    reduced = {"all_reduce": {2: 2 * 1, 3: 2 * 2}[size] * chunk * FLOAT64}
    # All-gather of keys and values: shards are sent p - 1 times, in the length of the longest, 19 of 37 or 13 of 37.
    shard = {2: 19, 3: 13}[size] * BATCH * 2 * DIM
    gathered = {"all_gather": {2: 1, 3: 2}[size] * shard * FLOAT64}
    assert found["dct-x"].sent == found["dct-kv"].sent == [reduced] * size
    assert found["sdpa"].sent == [gathered] * size


def test_shards_cover_the_sequence_and_differ_by_one_at_most() -> None:
    for seq_len, size in ((37, 3), (64, 4), (5, 5), (1000, 7)):
        bounds = rank_bounds(seq_len, size)
        lengths = np.diff(bounds)
        assert (bounds[0], bounds[-1], len(lengths)) == (0, seq_len, size)
        assert lengths.max() - lengths.min() <= 1


def test_one_rank_has_the_layer_of_one_device() -> None:
    layer = build_sharded("dct-x", communicator=Communicator(0, 1), seq_len=32, dim=8, heads=2, ratio=4)
    assert type(layer) is type(build("dct-x", seq_len=32, dim=8, heads=2, ratio=4))


def test_a_method_without_a_sharded_form_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="fnet has no form for several devices, which sdpa, dct-x, dct-kv have"):
        build_sharded("fnet", communicator=Silent(0, 2), seq_len=32, dim=8, heads=2)


def test_more_ranks_than_positions_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="4 ranks share a sequence of 3"):
        build_sharded("sdpa", communicator=Silent(0, 4), seq_len=3, dim=8, heads=2)


@pytest.mark.parametrize("method", METHODS)
def test_a_mask_is_refused(method: str) -> None:
    kept = None if method == "sdpa" else KEPT
    layer = build_sharded(method, communicator=Silent(0, 2), seq_len=32, dim=8, heads=2, kept=kept)
    with pytest.raises(UnsupportedError, match="takes no mask"):
        layer(torch.zeros(1, 16, 8), torch.zeros(1, 32, dtype=torch.bool))


def test_options_of_the_layer_on_one_device_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match="dct-x over several devices takes no dropout"):
        build_sharded("dct-x", communicator=Silent(0, 2), seq_len=32, dim=8, heads=2, kept=KEPT, dropout=0.1)


def test_the_transform_of_a_rank_is_planned_for_the_rates_and_the_batch_as_on_one_device() -> None:
    rates = CostModel(fft=1.0, call=1e-3)  # few operators are best for little work
    plans = set()
    for batch in (1, 4096):
        layers = [
            build_sharded(
                "dct-kv", communicator=Silent(0, size), seq_len=1024, dim=64, heads=2, kept=256, device="meta",
                cost_model=rates, batch=batch,
            )
            for size in (1, 2)
        ]  # fmt: skip
        short = str(plan_dct(256, 256, 64, batch=batch, cost_model=rates))
        assert [str(layer.plan).rpartition(" + ")[2] for layer in layers] == [short] * 2
        plans.add(short)
    assert len(plans) == 2


def test_a_sharded_form_without_a_choice_of_transforms_takes_their_rates_as_its_layer_on_one_device_does() -> None:
    for rank in range(2):
        layer = build_sharded(
            "dct-x",
            communicator=Silent(rank, 2),
            seq_len=32,
            dim=8,
            heads=2,
            kept=KEPT,
            cost_model=CostModel(),
            batch=2,
        )
        assert layer.plan == "basis"
