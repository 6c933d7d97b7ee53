"""The engines by name: how a method runs, which packages that takes, and in which precision."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dctbench.catalog import load_target
from dctbench.errors import UnavailableError

Form = Literal["onnx", "pte"]
Precision = Literal["float32", "int8", "int8-static"]


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine.

    Attributes:
        name: on the axis `engine`.
        summary: what it is.
        target: the module:Class that runs an exported model; None for an engine of torch.
        precision: of the exported model. `int8` quantises the weights beforehand and the activations in each call;
            `int8-static` has the ranges of activations from the suite's inputs.
        packages: what must be installed beside torch, by extra.
        form: of the exported model, and the suffix of its file.
    """

    name: str
    summary: str
    target: str | None = None
    precision: Precision = "float32"
    packages: Mapping[str, tuple[str, ...]] | None = None
    form: Form = "onnx"

    @property
    def exported(self) -> bool:
        """Whether it runs a model that is exported from torch."""
        return self.target is not None

    @property
    def quantised(self) -> bool:
        """Whether it computes in int8 what it can."""
        return self.precision != "float32"

    def load(self) -> Any:
        """Import and return the class that runs an exported model."""
        assert self.target is not None
        return load_target(self.target)

    def missing(self) -> str | None:
        """Return the extra of the first package that is not installed, or None."""
        for extra, names in (self.packages or {}).items():
            if any(importlib.util.find_spec(name) is None for name in names):
                return extra
        return None


_EXPORT = {"onnx": ("onnx", "onnxscript", "onnxruntime")}
_OPENVINO = {**_EXPORT, "openvino": ("openvino",)}
_EXECUTORCH = {"executorch": ("executorch", "torchao")}
_RUNTIME = "dctbench.worker.engines.onnx_runtime:OnnxRuntime"
_VINO = "dctbench.worker.engines.open_vino:OpenVino"
_XNNPACK = "dctbench.worker.engines.execu_torch:ExecuTorch"

ENGINES: Mapping[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine("eager", "torch, operation by operation"),
        Engine("compile", "torch.compile"),
        Engine("cudagraph", "the kernels of a call recorded and launched together (CUDA)"),
        Engine("onnxruntime", "exported to ONNX, run by ONNX Runtime", _RUNTIME, packages=_EXPORT),
        Engine("onnxruntime-int8", "the same, quantised dynamically", _RUNTIME, "int8", _EXPORT),
        Engine("onnxruntime-int8-static", "the same, calibrated", _RUNTIME, "int8-static", _EXPORT),
        Engine("openvino", "exported to ONNX, run by OpenVINO", _VINO, packages=_OPENVINO),
        Engine("openvino-int8-static", "the same, calibrated", _VINO, "int8-static", _OPENVINO),
        Engine("executorch", "lowered to XNNPACK, run by ExecuTorch", _XNNPACK, "float32", _EXECUTORCH, "pte"),
        Engine("executorch-int8", "the same, quantised dynamically", _XNNPACK, "int8", _EXECUTORCH, "pte"),
    )
}


def require(names: Iterable[str]) -> None:
    """Check that the packages of these engines are installed.

    Raises:
        UnavailableError: naming the extra that has them.
    """
    for name in names:
        extra = ENGINES[name].missing()
        if extra is not None:
            raise UnavailableError(f"engine {name} is not installed", hint=f"pip install 'dctbench[{extra}]'")
