"""OpenVINO on the CPU, with inputs and outputs in memory that torch owns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openvino
from torch import Tensor

from dctbench.errors import UnsupportedError
from dctbench.worker.engines.model_files import refusal


class OpenVino:
    """A model compiled by OpenVINO. See `dctbench.worker.engines.Session`.

    It computes in float32 and not in the processor's bfloat16, which it would choose by itself.
    """

    def __init__(self, path: Path, threads: int) -> None:
        settings = {
            "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        }  # fmt: skip
        core = openvino.Core()
        try:
            self._model = core.compile_model(core.read_model(str(path)), "CPU", settings)
        except RuntimeError as error:
            raise UnsupportedError(f"OpenVINO refuses the model: {refusal(error)}") from None

    def bind(self, arguments: Sequence[Tensor], output: Tensor) -> Any:
        """Return a request whose tensors are the memory of these."""
        request = self._model.create_infer_request()
        try:
            for number, argument in enumerate(arguments):
                request.set_input_tensor(number, openvino.Tensor(argument.numpy(), shared_memory=True))
            request.set_output_tensor(0, openvino.Tensor(output.numpy(), shared_memory=True))
        except RuntimeError as error:  # it has inferred other shapes, as it does for a complex DFT
            raise UnsupportedError(f"OpenVINO refuses the model: {refusal(error)}") from None
        return request, output

    def run(self, bound: Any) -> Tensor:
        """Run the model once."""
        request, output = bound
        request.infer()
        written: Tensor = output
        return written
