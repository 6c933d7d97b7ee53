"""Seeds for each purpose of a training, independent of one another, from the seed of its round."""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def number(seed: int, *purpose: object) -> int:
    """Return a seed for one purpose."""
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def data_generator(seed: int, *purpose: object) -> np.random.Generator:
    """Return a generator of data for one purpose."""
    return np.random.default_rng(number(seed, *purpose))


def weight_generator(seed: int, *purpose: object) -> torch.Generator:
    """Return a generator of weights for one purpose, on the CPU, so that every device starts from the same weights."""
    return torch.Generator().manual_seed(number(seed, *purpose))
