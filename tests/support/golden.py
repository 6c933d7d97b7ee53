"""The golden data: inputs, parameters and outputs of the DCT-Former authors' own layers (tests/golden)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

GOLDEN = Path(__file__).parent.parent / "golden"
PROJECTIONS = {"fc_q": "q_proj", "fc_k": "k_proj", "fc_v": "v_proj", "fc_o": "out_proj"}


@dataclass(frozen=True)
class Golden:
    """One file: `meta` is the configuration of the authors' layer, `parameters` have the authors' names."""

    name: str
    meta: dict[str, Any]
    x: Tensor
    y: Tensor
    mask: Tensor | None
    parameters: dict[str, Tensor]

    def load_projections(self, layer: nn.Module) -> None:
        """Copy the four projections into one of our layers."""
        own = dict(layer.named_parameters())
        with torch.no_grad():
            for theirs, ours in PROJECTIONS.items():
                for kind in ("weight", "bias"):
                    own[f"{ours}.{kind}"].copy_(self.parameters[f"{theirs}.{kind}"])


def load(prefix: str) -> list[Golden]:
    """Return every golden file whose name starts with `prefix`. To find none is an error."""
    found = []
    for path in sorted(GOLDEN.glob(f"{prefix}*.npz")):
        with np.load(path) as data:
            found.append(
                Golden(
                    name=path.stem,
                    meta=json.loads(str(data["meta"])),
                    x=torch.from_numpy(data["x"]),
                    y=torch.from_numpy(data["y"]),
                    mask=torch.from_numpy(data["mask"]).bool() if "mask" in data.files else None,
                    parameters={
                        key.removeprefix("param."): torch.from_numpy(data[key])
                        for key in data.files
                        if key.startswith("param.")
                    },
                )
            )
    assert found, f"no golden file starts with {prefix}"
    return found
