"""ONNX Runtime on the CPU, with inputs and outputs bound to memory that torch owns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from torch import Tensor

from dctbench.errors import UnsupportedError
from dctbench.worker.engines.model_files import refusal

_ERRORS_ONLY = 3


class OnnxRuntime:
    """A session of ONNX Runtime. See `dctbench.worker.engines.Session`."""

    def __init__(self, path: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its own classes, one for each status code
            raise UnsupportedError(f"ONNX Runtime refuses the model: {refusal(error)}") from None

    def bind(self, arguments: Sequence[Tensor], output: Tensor) -> Any:
        """Bind the memory of tensors."""
        binding = self._session.io_binding()
        for wanted, given in zip(self._session.get_inputs(), arguments, strict=True):
            binding.bind_input(wanted.name, "cpu", 0, _dtype(given), tuple(given.shape), given.data_ptr())
        name = self._session.get_outputs()[0].name
        binding.bind_output(name, "cpu", 0, _dtype(output), tuple(output.shape), output.data_ptr())
        return binding, output

    def run(self, bound: Any) -> Tensor:
        """Run the model once."""
        binding, output = bound
        self._session.run_with_iobinding(binding)
        written: Tensor = output
        return written


def _dtype(tensor: Tensor) -> Any:
    return np.dtype(str(tensor.dtype).removeprefix("torch.")).type
