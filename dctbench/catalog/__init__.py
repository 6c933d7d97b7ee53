"""Everything that exists by name, without importing any of it: implementations, metrics, devices, models.

The command line lists, completes and validates names from here in milliseconds. `load` imports the code of an entry.
`catalog.tasks` has the tasks, and `catalog.engines` the engines.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dctbench.catalog.implementation_table import (
    IMPLEMENTATIONS,
    ErrorMeans,
    Family,
    Implementation,
    Kind,
    implementation,
    implementations,
    recorded_implementation,
    select_implementations,
)
from dctbench.catalog.metric_table import (
    ACCURACY,
    EVALUATE,
    METRICS,
    RECOVERED,
    Metric,
    metric,
    metrics,
    why_not_measured,
)
from dctbench.catalog.names import TARGET, added, load_target, nearest, select, unknown
from dctbench.errors import UsageError

__all__ = [
    "ACCURACY",
    "DEVICES",
    "EVALUATE",
    "HF_PREFIX",
    "IMPLEMENTATIONS",
    "METRICS",
    "MODELS",
    "MODEL_HINT",
    "RECOVERED",
    "Device",
    "ErrorMeans",
    "Family",
    "Implementation",
    "Kind",
    "Metric",
    "Model",
    "added",
    "checked_model",
    "implementation",
    "implementations",
    "load_target",
    "metric",
    "metrics",
    "nearest",
    "recorded_implementation",
    "select",
    "select_implementations",
    "unknown",
    "why_not_measured",
]

HF_PREFIX = "hf:"
"""Before the folder or the name of a model of transformers."""


@dataclass(frozen=True, slots=True)
class Device:
    """One kind of device: its module and what it is."""

    name: str
    target: str
    summary: str

    def load(self) -> Any:
        """Import and return the module of the device. Imports torch."""
        return importlib.import_module(self.target)


@dataclass(frozen=True, slots=True)
class Model:
    """A shipped example of a model whose attention can be replaced: the function that loads it, and its extra."""

    name: str
    target: str
    summary: str
    extra: str


MODELS: Mapping[str, Model] = {
    model.name: model
    for model in (
        Model("minilm", "dctbench.conversion.minilm:load", "all-MiniLM-L6-v2, 6 layers, 12 heads, 512 positions",
              "examples"),
    )
}  # fmt: skip

MODEL_HINT = f"a model is package.module:function, hf:FOLDER, hf:NAME, or one of: {', '.join(MODELS)}"

DEVICES: Mapping[str, Device] = {
    device.name: device
    for device in (
        Device("cpu", "dctbench.worker.devices.cpu", "the processor, through torch"),
        Device("cuda", "dctbench.worker.devices.cuda", "an NVIDIA GPU, through torch and NVML: cuda:0, cuda:1"),
        Device("mps", "dctbench.worker.devices.mps", "the GPU of Apple silicon, through torch"),
    )
}


def checked_model(word: str) -> str:
    """Return the name of a model as `--model` takes it: a shipped one, `hf:FOLDER|NAME`, or `package.module:function`.

    Raises:
        UsageError: for anything else.
    """
    if word in MODELS or (word.startswith(HF_PREFIX) and len(word) > len(HF_PREFIX)) or TARGET.fullmatch(word):
        return word
    raise UsageError(unknown("model", word, MODELS).message, hint=MODEL_HINT)
