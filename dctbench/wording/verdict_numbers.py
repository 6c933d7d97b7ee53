"""How the figures of a verdict are written, so that a change can always be seen in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dctbench.compare.exact import BUDGET
from dctbench.model import Verdict
from dctbench.text.format import (
    format_count,
    format_percent,
    format_ratio,
    format_ratio_with_interval,
    format_relative_error,
    format_seconds,
    format_size,
)

NOTHING = "-"
_FAR = 1000
"""Beyond this a ratio is only a number: rounding errors against an approximation's."""


def amount(metric: str, value: float | None) -> str:
    """A value of a metric in its unit: `2.31 ms`, `1.50 MiB`, `1.90 GFLOP`, `0.912`."""
    if value is None:
        return NOTHING
    name = metric.removeprefix(BUDGET)
    if name.startswith("latency"):
        return format_seconds(value)
    if name.startswith("memory"):
        return format_size(value)
    return format_count(value, "FLOP") if name == "flops" else format_relative_error(value)


def written_out(metric: str, value: float) -> str:
    """The same to the last byte or FLOP: `1,048,640 B`."""
    name = metric.removeprefix(BUDGET)
    unit = "FLOP" if name == "flops" else "B" if name.startswith("memory") else ""
    return f"{value:,.0f} {unit}" if unit else f"{value:.6g}{' s' if name.startswith('latency') else ''}"


def both(verdict: Verdict) -> tuple[str, str]:
    """Base and head; values that differ but round to one text are written out."""
    base, head = verdict.base, verdict.head
    texts = amount(verdict.metric, base), amount(verdict.metric, head)
    if base is None or head is None or base == head or texts[0] != texts[1] or verdict.low is not None:
        return texts
    return written_out(verdict.metric, base), written_out(verdict.metric, head)


def change(verdict: Verdict) -> str:
    """`1.42x (1.37-1.48)`; of a counted value that changed by less than 1% what came on top: `+64 B`."""
    if verdict.effect is None:
        return "from zero" if verdict.base == 0 and verdict.head else NOTHING
    if verdict.low is None and not 1 / _FAR < verdict.effect < _FAR:
        return f">{_FAR}x" if verdict.effect > 1 else f"<1/{_FAR}"
    text = format_ratio_with_interval(verdict.effect, verdict.low, verdict.high)
    if text != format_ratio(1.0) or verdict.base is None or verdict.head is None or verdict.head == verdict.base:
        return text
    more = verdict.head - verdict.base
    return f"{'+' if more > 0 else '-'}{written_out(verdict.metric, abs(more))}"


def limit(verdict: Verdict) -> str:
    """What the change was held against: `25%`, `exact`, `≤ 5.00 ms`."""
    if verdict.tolerance is None:
        return NOTHING
    if verdict.metric.startswith(BUDGET):
        return f"≤ {amount(verdict.metric, verdict.tolerance)}"
    return format_percent(verdict.tolerance) if verdict.tolerance else "exact"


def by_device(tolerances: Mapping[str, float], write: Callable[[float], str]) -> str:
    """Tolerances by kind of device, as `write` has each: `7% (cuda), 25% (cpu)`, or `25%` where all agree."""
    kinds: dict[float, list[str]] = {}
    for kind, tolerance in sorted(tolerances.items(), key=lambda item: (item[1], item[0])):
        kinds.setdefault(tolerance, []).append(kind)
    return ", ".join(f"{write(t)} ({', '.join(of)})" if len(kinds) > 1 else write(t) for t, of in kinds.items())
