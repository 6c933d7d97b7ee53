"""A module of torch as an ONNX model, in float32 or quantised to int8.

What one process has exported, the other processes of a sweep read from its scratch folder, since exporting takes
seconds.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static
from torch import Tensor, nn

from dctbench.catalog.engines import Precision
from dctbench.errors import UnsupportedError
from dctbench.worker.engines.model_files import reason, write_whole

_PRODUCTS = ("MatMul", "Gemm")


def import_exporter() -> None:
    """Import what torch imports when it exports its first model, which takes longer than to export a small one.

    Raises:
        UnsupportedError: if it is installed and cannot be imported.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import onnxscript  # noqa: F401
            import torch._dynamo  # noqa: F401
    except Exception as error:
        raise UnsupportedError(f"torch cannot export to ONNX here: {reason(error)}") from None


def export(module: nn.Module, arguments: Sequence[Tensor], path: Path) -> None:
    """Write a module as an ONNX model of float32.

    Raises:
        UnsupportedError: for a module that cannot be exported, naming the operator at fault where torch names one.
    """
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(module, tuple(arguments), dynamo=True, verbose=False)
        assert program is not None
        write_whole(path, lambda partial: program.save(str(partial)))
    except Exception as error:
        raise UnsupportedError(f"torch cannot export it to ONNX: {reason(error)}") from None


def quantise(model: Path, path: Path, precision: Precision, inputs: Sequence[Sequence[Tensor]]) -> None:
    """Write an int8 form of a float32 model.

    Dynamic quantisation covers the products with a constant right factor, as the tool's default does: those of
    projections. Calibrated quantisation covers every product, those of transforms and attention included.

    Args:
        model: in float32.
        path: of the new one.
        precision: `int8` or `int8-static`.
        inputs: whose ranges a static quantisation takes.
    """
    products = list(_PRODUCTS)
    if precision == "int8":
        write_whole(
            path, lambda p: quantize_dynamic(model, p, op_types_to_quantize=products, weight_type=QuantType.QInt8)
        )
        return
    names = [wanted.name for wanted in onnx.load(model, load_external_data=False).graph.input]
    write_whole(
        path,
        lambda p: quantize_static(
            model, p, _Inputs(names, inputs), op_types_to_quantize=products, weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
        ),
    )  # fmt: skip


class _Inputs(CalibrationDataReader):  # type: ignore[misc]
    """Hands the inputs of a suite to the calibration."""

    def __init__(self, names: Sequence[str], inputs: Sequence[Sequence[Tensor]]) -> None:
        self._left = iter(
            [{name: given.numpy() for name, given in zip(names, one, strict=True)} for one in inputs]
        )  # fmt: skip

    def get_next(self) -> object:
        """Return the next inputs by name, or None after the last."""
        return next(self._left, None)


def quantised_share(path: Path) -> float:
    """Return the share of the multiply-adds of matrix products that a model computes in int8."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    graph = model.graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.input, *graph.output)
    }
    shapes |= {constant.name: list(constant.dims) for constant in graph.initializer}
    makers = {output: node.op_type for node in graph.node for output in node.output}
    whole = small = 0
    for node in graph.node:
        if node.op_type not in (*_PRODUCTS, "MatMulInteger"):
            continue
        left, right, out = (shapes.get(name) or [] for name in (*node.input[:2], node.output[0]))
        if len(left) < 2 or len(right) < 2:
            continue
        transposed = any(one.name == "transA" and one.i for one in node.attribute)  # a Gemm may have it
        work = math.prod(out) * left[-2 if transposed else -1]
        whole += work
        dequantised = all(makers.get(name) == "DequantizeLinear" for name in node.input[:2])
        small += work if node.op_type == "MatMulInteger" or dequantised else 0
    return small / whole if whole else 0.0
