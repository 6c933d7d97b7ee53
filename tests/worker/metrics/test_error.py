"""The error against exact attention, with its inputs and weights, compared with NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from dctbench.attention import build
from dctbench.errors import UnsupportedError
from dctbench.model import Case
from dctbench.worker.devices import cpu
from dctbench.worker.devices.cpu_memory import peak_tensor_bytes
from dctbench.worker.metrics import error, inputs
from dctbench.worker.progress import Progress

CASE = Case("sdpa", 96, heads=2, head_dim=8, batch=2)


def exact_in_numpy(x: np.ndarray, w: dict[str, np.ndarray], heads: int) -> np.ndarray:
    """Softmax attention from Vaswani et al. 2017, eq. 1, head by head."""
    batch, _, d = x.shape
    q, k, v = (x @ w[f"{p}.weight"].T + w[f"{p}.bias"] for p in ("q_proj", "k_proj", "v_proj"))
    out = np.empty_like(x)
    width = d // heads
    for b in range(batch):
        for h in range(heads):
            s = slice(h * width, (h + 1) * width)
            logits = q[b, :, s] @ k[b, :, s].T / np.sqrt(width)
            weights = np.exp(logits - logits.max(axis=1, keepdims=True))
            out[b, :, s] = weights / weights.sum(axis=1, keepdims=True) @ v[b, :, s]
    projected: np.ndarray = out @ w["out_proj.weight"].T + w["out_proj.bias"]
    return projected


def test_exact_attention_is_the_papers_in_float64() -> None:
    shared = inputs.weights(CASE.dim, torch.float32, seed=3)
    x = inputs.noise(CASE, torch.float32, seed=3)
    w = {name: tensor.double().numpy() for name, tensor in shared.items()}
    expected = exact_in_numpy(x.double().numpy(), w, CASE.heads)
    assert np.abs(error.exact_layer(x, shared, CASE.heads, None).numpy() - expected).max() < 1e-12
    rows = torch.tensor([0, 50, 95])
    assert np.abs(error.exact_layer(x, shared, CASE.heads, rows).numpy() - expected[:, rows.numpy()]).max() < 1e-12


@pytest.mark.parametrize(("factor", "noise"), [(0.1, 0.0), (-2.0, 0.0), (1.0, 0.5)])
def test_the_cosine_is_that_of_numpy_and_blind_to_scale(factor: float, noise: float) -> None:
    rng = np.random.default_rng(4)
    exact = rng.normal(size=(2, 5, 3))
    output = (factor * exact + noise * rng.normal(size=exact.shape)).astype(np.float32)
    one, other = output.astype(float).ravel(), exact.ravel()
    expected = one @ other / np.sqrt((one @ one) * (other @ other))
    found = error.cosine(torch.from_numpy(output).transpose(0, 1), torch.from_numpy(exact).transpose(0, 1))
    assert found == pytest.approx(expected, abs=1e-12)
    if not noise:
        assert found == pytest.approx(np.sign(factor), abs=1e-12)


def test_exact_heads_are_those_of_the_exact_layer() -> None:
    rng = np.random.default_rng(0)
    q, k, v = (torch.from_numpy(rng.normal(size=(2, 3, 40, 8))) for _ in range(3))
    logits = q.numpy() @ k.numpy().swapaxes(-1, -2) / np.sqrt(8)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    expected = weights / weights.sum(-1, keepdims=True) @ v.numpy()
    rows = torch.tensor([1, 39])
    assert np.abs(error.exact_attention(q, k, v, None).numpy() - expected).max() < 1e-12
    assert np.abs(error.exact_attention(q, k, v, rows).numpy() - expected[:, :, rows.numpy()]).max() < 1e-12


def test_the_cache_gives_the_same_answer_and_keys_keep_inputs_apart(tmp_path: Path) -> None:
    noise, smooth = inputs.noise(CASE, torch.float32, 0), inputs.smooth(CASE, torch.float32, 0)
    first = error.cached(noise.double, "noise", str(tmp_path))
    again = error.cached(smooth.double, "noise", str(tmp_path))
    other = error.cached(smooth.double, "smooth", str(tmp_path))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_relative_error_is_a_norm_ratio() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 3, 4))
    assert error.relative_error(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(
        np.linalg.norm(a - b) / np.linalg.norm(b)
    )


def test_long_sequences_compare_a_thousand_spread_rows() -> None:
    assert error.compared_rows(16_384) is None
    rows = error.compared_rows(65_536)
    assert rows is not None
    assert (len(rows), int(rows[0]), int(rows[-1])) == (1024, 0, 65_535)
    assert len(set(rows.tolist())) == 1024


def test_exact_claims_are_checked_beyond_rounding() -> None:
    assert error.beyond_tolerance(1e-3, "float32")
    assert error.beyond_tolerance(float("nan"), "float32")
    assert not error.beyond_tolerance(1e-6, "float32")


@pytest.mark.parametrize(
    ("dtype", "rounding", "wrong"),
    [("float64", 1e-12, 1e-9), ("float32", 5e-6, 5e-5), ("float16", 2e-3, 2e-2), ("bfloat16", 2e-2, 8e-2)],
)
def test_an_exact_method_may_differ_by_the_rounding_of_its_dtype(dtype: str, rounding: float, wrong: float) -> None:
    assert not error.beyond_tolerance(rounding, dtype)
    assert error.beyond_tolerance(wrong, dtype)


def test_every_method_gets_the_same_weights_and_one_without_projections_none() -> None:
    shared = inputs.weights(16, torch.float32, seed=0)
    layers = [build(name, seq_len=32, dim=16, heads=2, ratio=4) for name in ("sdpa", "full", "dct-x", "none")]
    assert all(inputs.share_weights(layer, shared) for layer in layers)
    for layer in layers:
        assert torch.equal(layer.get_parameter("v_proj.weight"), shared["v_proj.weight"])
        assert torch.equal(layer.get_parameter("out_proj.bias"), shared["out_proj.bias"])
    assert not inputs.share_weights(torch.nn.Linear(16, 16), shared)


def test_inputs_have_the_statistics_they_claim_and_are_reproducible() -> None:
    case = Case("sdpa", 8192, heads=1, head_dim=32)
    noise, smooth = (make(case, torch.float32, 0).double().numpy()[0] for make in (inputs.noise, inputs.smooth))
    for signal, rho in ((noise, 0.0), (smooth, 0.95)):
        correlation = np.mean(signal[1:] * signal[:-1]) / np.mean(signal**2)
        assert correlation == pytest.approx(rho, abs=0.02)
        assert signal.std() == pytest.approx(1.0, rel=0.1)
    assert torch.equal(inputs.noise(case, torch.float32, 0, 1), inputs.noise(case, torch.float32, 0, 1))
    assert not torch.equal(inputs.noise(case, torch.float32, 0, 1), inputs.noise(case, torch.float32, 0, 2))


def test_weights_give_attention_logits_of_unit_size() -> None:
    case = Case("sdpa", 256)
    shared = inputs.weights(case.dim, torch.float32, seed=0)
    x = inputs.noise(case, torch.float32, seed=0)[0]
    q, k = (x @ shared[f"{p}.weight"].T for p in ("q_proj", "k_proj"))
    logits = q[:, :64] @ k[:, :64].T / 8
    assert float(logits.std()) == pytest.approx(1.0, rel=0.1)


def test_exact_outputs_of_a_long_sequence_are_computed_in_parts_that_may_be_the_last() -> None:
    q, k, v = (torch.randn(1, 1, 2 * error.QUERY_ROWS + 1, 4) for _ in range(3))
    shares: list[float] = []
    whole = error.exact_attention(q, k, v, None, shares.append)
    assert shares == pytest.approx([1 / 3, 2 / 3, 1.0])
    expected = torch.softmax(q.double() @ k.double().mT / 2, dim=-1) @ v.double()
    assert (whole - expected).abs().max() < 1e-12

    now = [0.0]
    progress = Progress(limit=50.0, clock=lambda: now[0])
    done = progress.watched()

    def slow(share: float) -> None:
        now[0] += 20.0  # the third part would end after 60 s
        done(share)

    with pytest.raises(UnsupportedError, match=r"time limit of the case .50s."):
        error.exact_attention(q, k, v, None, slow)
    assert now == [20.0]


@pytest.mark.parametrize(
    ("batch", "seq_len", "parts"),
    [(3, 2 * error.QUERY_ROWS, 6), (5, error.QUERY_ROWS, 5), (7, error.QUERY_ROWS // 3, 3)],
    ids=["parts of a sample", "one sample each", "several short samples"],
)
def test_exact_outputs_of_a_batch_are_computed_sample_by_sample(batch: int, seq_len: int, parts: int) -> None:
    q, k, v = (torch.randn(batch, 1, seq_len, 4) for _ in range(3))
    shares: list[float] = []
    whole = error.exact_attention(q, k, v, None, shares.append)
    assert shares == pytest.approx([(number + 1) / parts for number in range(parts)])
    expected = torch.softmax(q.double() @ k.double().mT / 2, dim=-1) @ v.double()
    assert (whole - expected).abs().max() < 1e-12

    case = Case("sdpa", seq_len, heads=2, head_dim=8, batch=batch)
    shared, x = inputs.weights(case.dim, torch.float32, 0), inputs.noise(case, torch.float32, 0)
    w = {name: tensor.double().numpy() for name, tensor in shared.items()}
    shares.clear()
    layer = error.exact_layer(x, shared, case.heads, None, shares.append)
    assert shares == pytest.approx([(number + 1) / parts for number in range(parts)])
    assert np.abs(layer.numpy() - exact_in_numpy(x.double().numpy(), w, case.heads)).max() < 1e-12


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Each thread of the kernel has a buffer of its own, which no estimate from shapes includes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("batch", "seq_len"), [(8, 1024), (1, 4096), (64, 64), (2, 20_000)])
def test_the_memory_that_exact_outputs_need_is_known_beforehand(batch: int, seq_len: int) -> None:
    case = Case("sdpa", seq_len, heads=4, head_dim=16, batch=batch)
    shared, x = inputs.weights(case.dim, torch.float32, 0), inputs.noise(case, torch.float32, 0)
    rows = error.compared_rows(seq_len)
    output = x if rows is None else x[:, rows]

    def compare() -> float:
        return error.relative_error(output, error.exact_layer(x, shared, case.heads, rows))

    needed = error.needed_bytes(batch, seq_len, case.heads, case.head_dim)
    assert 0.7 * needed < peak_tensor_bytes(compare) < 1.1 * needed


def test_exact_outputs_that_do_not_fit_on_the_host_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = error.needed_bytes(16, 16_384, 8, 64)
    assert needed == 3 << 30  # three times the output in float64
    monkeypatch.setattr(cpu, "memory_bytes", lambda name: needed)
    error.require_memory(16, 16_384, 8, 64)
    monkeypatch.setattr(cpu, "memory_bytes", lambda name: needed - 1)
    with pytest.raises(UnsupportedError, match=r"^exact attention in float64 needs about 3\.00 GiB of 3\.00 GiB"):
        error.require_memory(16, 16_384, 8, 64)
