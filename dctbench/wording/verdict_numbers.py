"""The figures of a verdict as text, written so that a change is always visible."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dctbench import catalog
from dctbench.analysis.budgets import QUANTITIES
from dctbench.model import Verdict
from dctbench.text.format import format_ratio, format_ratio_with_interval
from dctbench.text.quantity import Quantity
from dctbench.wording.accuracy import points, points_of

NOTHING = "-"
_FAR = 1000
"""A ratio beyond this is not printed: it compares a rounding error with an approximation's error."""


def quantity(verdict: Verdict) -> Quantity | None:
    """Return the quantity of a verdict's values; None for a verdict on whether a case runs at all."""
    if verdict.budget is not None:
        return QUANTITIES[verdict.budget]
    metric = catalog.metric(verdict.metric)
    return None if metric is None else metric.quantity


def amount(verdict: Verdict, value: float | None) -> str:
    """A value of the verdict's metric: `2.31 ms`, `1.50 MiB`, `1.90 GFLOP`, `0.912`."""
    known = quantity(verdict)
    return NOTHING if value is None or known is None else known.format(value)


def exact_amount(verdict: Verdict, value: float) -> str:
    """The same to the last byte or FLOP: `1,048,640 B`."""
    known = quantity(verdict)
    return NOTHING if known is None else known.format_exactly(value)


def both(verdict: Verdict) -> tuple[str, str]:
    """Return base and head; values that differ but round to the same text are written in full."""
    base, head = verdict.base, verdict.head
    known = quantity(verdict)
    if base is None or head is None or known is None or not _is_counted(verdict):
        return amount(verdict, base), amount(verdict, head)
    return known.format_apart(base, head)


def change(verdict: Verdict) -> str:
    """`1.42x (1.37-1.48)`; for a counted value that changed by less than 1% the difference: `+64 B`.

    An accuracy changes by points: `-2.1 points`.
    """
    if verdict.metric == catalog.ACCURACY and verdict.base is not None and verdict.head is not None:
        return f"{points(verdict.head - verdict.base)} points"
    if verdict.effect is None:
        return "from zero" if verdict.base == 0 and verdict.head else NOTHING
    if verdict.low is None and not 1 / _FAR < verdict.effect < _FAR:
        return f">{_FAR}x" if verdict.effect > 1 else f"<1/{_FAR}"
    text = format_ratio_with_interval(verdict.effect, verdict.low, verdict.high)
    if not _is_counted(verdict) or text != format_ratio(1.0):
        return text
    if verdict.base is None or verdict.head is None or verdict.head == verdict.base:
        return text
    more = verdict.head - verdict.base
    return f"{'+' if more > 0 else '-'}{exact_amount(verdict, abs(more))}"


def _is_counted(verdict: Verdict) -> bool:
    """Whether the last digits of a value say something. A latency of one process has no interval, but a raw change."""
    return verdict.low is None and verdict.raw is None


def limit(verdict: Verdict) -> str:
    """Return the tolerance or limit: `25%`, `exact`, `≤ 5.00 ms`."""
    if verdict.tolerance is None:
        return NOTHING
    if verdict.budget is not None:
        return f"≤ {amount(verdict, verdict.tolerance)}"
    if verdict.metric == catalog.ACCURACY:
        return points_of(verdict.tolerance)
    return f"{100 * verdict.tolerance:g}%" if verdict.tolerance else "exact"


def by_device(tolerances: Mapping[str, float], write: Callable[[float], str]) -> str:
    """Return tolerances by kind of device: `7% (cuda), 25% (cpu)`, or `25%` where all are equal."""
    kinds: dict[float, list[str]] = {}
    for kind, tolerance in sorted(tolerances.items(), key=lambda item: (item[1], item[0])):
        kinds.setdefault(tolerance, []).append(kind)
    return ", ".join(f"{write(t)} ({', '.join(of)})" if len(kinds) > 1 else write(t) for t, of in kinds.items())
