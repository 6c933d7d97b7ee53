"""Metrics from other installed packages. The catalog finds them by name, and they are measured last.

Such a metric is a class without constructor arguments, with a unit and one method:

    class Sparsity:
        unit = "1"  # SI; "1" for a share

        def measure(self, case, module, arguments) -> float: ...

`measure` is called once per case, in the process of its first round, after all built-in metrics.
"""

from __future__ import annotations

from torch import Tensor, nn

from dctbench.catalog import Metric, load_target
from dctbench.errors import DctbenchError
from dctbench.model import Case

MOST = 1e30
"""The largest absolute value that a result file may contain."""
_LONGEST_UNIT = 20


def measure(metric: Metric, case: Case, module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[float, str]:
    """Return the value and the unit of an added metric for a case.

    Args:
        metric: the entry of the catalog, with a target.
        case: the case that was measured.
        module: the module of the case, on its device, with the shared weights.
        arguments: the arguments of one call: x (batch, seq_len, dim) in scope `layer`, q, k, v (batch, heads, seq_len,
            head_dim) in scope `attention`, tokens (batch, seq_len) in scope `encoder`.

    Raises:
        DctbenchError: for a class that cannot be imported, and for an invalid unit or value.
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
