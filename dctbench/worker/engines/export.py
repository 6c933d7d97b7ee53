"""A module of torch as an ONNX model, in float32 or quantised to int8.

What one process has exported, the other processes of a sweep read from its scratch folder, since exporting takes
seconds.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static
from torch import Tensor, nn

from dctbench.catalog.engines import Precision
from dctbench.errors import UnsupportedError, text_of

_OPERATOR = re.compile(r"\b(?:torch\.ops\.)?((?:aten|prims|prim|higher_order)(?:\.|::)\w+(?:\.\w+)?)")
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_PRODUCTS = ("MatMul", "Gemm")


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
        _written(path, lambda partial: program.save(str(partial)))
    except Exception as error:
        raise UnsupportedError(f"torch cannot export it to ONNX: {reason(error)}") from None


def reason(error: BaseException) -> str:
    """Return why an export failed: the operator, if one is named, and what torch says of it."""
    text = " ".join(_STYLE.sub("", text_of(error)).split())
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(_STYLE.sub("", text_of(error)).split()) or text
    found = _OPERATOR.search(text)
    words = text[:200]
    return f"{found[1]}: {words}" if found else words


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
        _written(path, lambda p: quantize_dynamic(model, p, op_types_to_quantize=products, weight_type=QuantType.QInt8))
        return
    names = [wanted.name for wanted in onnx.load(model, load_external_data=False).graph.input]
    _written(
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


def _written(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name first, since other processes read it as soon as it exists."""
    partial = path.with_name(f"{os.getpid()}-{path.name}")
    write(partial)
    partial.replace(path)


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
        left, right = (shapes.get(name) or [] for name in node.input[:2])
        if len(left) < 2 or len(right) < 2:
            continue
        rows = torch.Size(left[:-1]).numel() if len(left) >= len(right) else torch.Size([*right[:-2], left[-2]]).numel()
        work = rows * left[-1] * right[-1]
        whole += work
        dequantised = all(makers.get(name) == "DequantizeLinear" for name in node.input[:2])
        small += work if node.op_type == "MatMulInteger" or dequantised else 0
    return small / whole if whole else 0.0
