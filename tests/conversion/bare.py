"""Models without inputs beside them."""

from __future__ import annotations

from functools import cache

from torch import nn


def encoder() -> nn.Module:
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 16, batch_first=True), 1, enable_nested_tensor=False)


@cache
def kept() -> nn.Module:
    return encoder()


def plain() -> nn.Module:
    return nn.Linear(3, 3)


def number() -> int:
    return 3


made = encoder()
text = "no model"
