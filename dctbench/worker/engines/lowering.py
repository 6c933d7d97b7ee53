"""A module of torch as a program of ExecuTorch, for XNNPACK on the CPU: in float32, or with int8 products.

Lowering takes seconds, so the other processes of a sweep read the file that one of them has made.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import ExecutorchBackendConfig, to_edge_transform_and_lower
from executorch.exir.passes import MemoryPlanningPass
from torch import Tensor, fx, nn

from dctbench.catalog.engines import Precision
from dctbench.errors import UnsupportedError
from dctbench.worker.engines.execu_torch import SHARE
from dctbench.worker.engines.model_files import reason, write_whole

_DEQUANTISE = "quantized_decomposed.dequantize"


def lower(module: nn.Module, arguments: Sequence[Tensor], path: Path, precision: Precision) -> None:
    """Write a module as a program whose inputs are read where they are.

    Dynamic quantisation covers linear layers, the only operator for which XNNPACK has it: the products of attention and
    of a transform stay in float32.

    Raises:
        UnsupportedError: for a module that cannot be lowered, naming the operator at fault where torch names one.
    """
    given = tuple(argument.contiguous() for argument in arguments)  # a program refuses other strides than these
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.export.export(module, given)
            share = None
            if precision == "int8":
                quantised = _quantised(program.module(), given)
                program = torch.export.export(quantised, given)
                share = quantised_share(program.graph)
            lowered = to_edge_transform_and_lower(
                program,
                partitioner=[XnnpackPartitioner()],
                constant_methods=None if share is None else {SHARE: share},
            )
            planned = MemoryPlanningPass(alloc_graph_input=False)  # else each call would copy its inputs
            made = lowered.to_executorch(ExecutorchBackendConfig(memory_planning_pass=planned))
        write_whole(path, lambda partial: partial.write_bytes(made.buffer))
    except Exception as error:
        raise UnsupportedError(f"ExecuTorch cannot lower it: {reason(error)}") from None


def _quantised(module: nn.Module, arguments: Sequence[Tensor]) -> nn.Module:
    """Return an exported module with weights in int8, a scale for each row, and activations quantised in each call."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    quantiser = XNNPACKQuantizer()
    quantiser.set_global(get_symmetric_quantization_config(is_per_channel=True, is_dynamic=True))
    prepared = prepare_pt2e(module, quantiser)
    prepared(*arguments)  # observes the weights
    converted: nn.Module = convert_pt2e(prepared)
    return converted


def quantised_share(graph: fx.Graph) -> float:
    """Return the share of the multiply-adds of matrix products whose both factors a graph has in int8."""
    whole = small = 0
    for node in graph.nodes:
        work = _multiply_adds(node)
        factors = node.args[:2]
        whole += work
        small += work if all(_DEQUANTISE in str(getattr(one, "target", "")) for one in factors) else 0
    return small / whole if whole else 0.0


def _multiply_adds(node: fx.Node) -> int:
    """Return the multiply-adds of a matrix product, and 0 for any other node."""
    aten = torch.ops.aten
    if node.target == aten.linear.default:
        return _size(node) * _shape(node.args[0])[-1]
    if node.target in (aten.matmul.default, aten.bmm.default, aten.mm.default):
        return _size(node) * _shape(node.args[0])[-1]
    if node.target in (aten.addmm.default, aten.baddbmm.default):
        return _size(node) * _shape(node.args[1])[-1]
    if node.target == aten.scaled_dot_product_attention.default:
        q, k, v = (_shape(one) for one in node.args[:3])
        return math.prod(q[:-1]) * k[-2] * (q[-1] + v[-1])
    return 0


def _shape(node: Any) -> Sequence[int]:
    return tuple(node.meta["val"].shape)


def _size(node: fx.Node) -> int:
    return math.prod(_shape(node))
