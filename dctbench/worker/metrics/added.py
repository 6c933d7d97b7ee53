"""Metrics that installed packages add: found by name through the catalogue, asked last, and trusted with nothing else.

A metric is a class without constructor arguments, with its unit and one method:

    class Sparsity:
        unit = "1"  # SI; "1" for a share

        def measure(self, case, module, arguments) -> float: ...

`measure` is called once per case, in the process of its first round, after everything of ours has been measured.
"""

from __future__ import annotations

from torch import Tensor, nn

from dctbench.catalog import Metric, load_target
from dctbench.errors import DctbenchError
from dctbench.model import Case

MOST = 1e30
"""No figure of a result file may be larger, either way."""
_LONGEST_UNIT = 20


def measure(metric: Metric, case: Case, module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[float, str]:
    """What an added metric says of a case, and in which unit.

    Args:
        metric: of the catalogue, with a target.
        case: what was measured.
        module: the case's module, on its device, with the shared weights.
        arguments: of one call of it: x (batch, seq_len, dim) in scope `layer`, q, k, v (batch, heads, seq_len,
            head_dim) in scope `attention`, tokens (batch, seq_len) in scope `encoder`.

    Raises:
        DctbenchError: for a class that cannot be imported, or whose unit or figure is none.
    """
    assert metric.target is not None
    added = load_target(metric.target)()
    unit = getattr(added, "unit", None)
    if not isinstance(unit, str) or not 0 < len(unit) <= _LONGEST_UNIT or not unit.isprintable():
        raise DctbenchError(f"{metric.target} states no unit")
    value = float(added.measure(case, module, arguments))
    if not abs(value) <= MOST:  # NaN compares with nothing
        raise DctbenchError(f"{metric.target} gave {value}")
    return value, unit
