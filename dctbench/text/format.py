"""The format of each unit, the same for terminal, Markdown and report."""

from __future__ import annotations

import math
from collections.abc import Iterable

_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_DECIMAL = (
    (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"),
    (1e-9, "n"),
)  # fmt: skip


def format_three_digits(value: float) -> str:
    """Format with three significant digits, but at most three decimals, and no exponent: 0.012, 4.56, 78.9, 1234."""
    if value == 0:
        return "0"
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2 if abs(value) >= 0.9995 else 3
    return f"{value:.{digits}f}"


def format_seconds(value: float) -> str:
    """Format seconds: 171 µs, 2.34 ms, 1.20 s."""
    scale, unit = _second_unit(value)
    return f"{format_three_digits(value / scale)} {unit}"


def _second_unit(value: float) -> tuple[float, str]:
    return next((pair for pair in _SECONDS if abs(value) >= pair[0] * 0.9995), _SECONDS[-1])


def format_seconds_with_interval(value: float, low: float, high: float) -> str:
    """Format seconds with the ends of their interval in the same unit: `2.31 ms (1.94-3.03)`.

    Ends more than ten times away are not written: `2.31 ms (>10x off)`.
    """
    scale, unit = _second_unit(value)
    if not value / 10 <= low <= high <= 10 * value:
        return f"{format_three_digits(value / scale)} {unit} (>10x off)"
    ends = "-".join(format_three_digits(end / scale) for end in (low, high))
    return f"{format_three_digits(value / scale)} {unit} ({ends})"


def listed(names: Iterable[str]) -> str:
    """Join names as in a sentence: `a`, `a and b`, `a, b and c`; empty without any."""
    *most, last = [*names] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def format_duration(value: float) -> str:
    """Format the duration of a run: 45s, 6m40s, 2h05m."""
    whole = max(0, round(value))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def format_size(value: float) -> str:
    """Format bytes in binary units: 32.0 MiB, 1.50 GiB."""
    step = 0
    while abs(value) >= 1023.5 and step < len(_BINARY) - 1:
        value /= 1024
        step += 1
    return f"{format_three_digits(value)} {_BINARY[step]}" if step else f"{value:.0f} B"


def format_count(value: float, unit: str) -> str:
    """Format with a decimal multiple of a unit: 12.9 GFLOP, 440 µJ."""
    fitting = (pair for pair in _DECIMAL if abs(value) >= pair[0] * 0.9995)
    scale, prefix = next(fitting, _DECIMAL[-1]) if value else (1.0, "")
    return f"{format_three_digits(value / scale)} {prefix}{unit}"


def format_ratio(value: float) -> str:
    """Format a ratio: 1.00x, 0.74x, 12.3x; small ones have two significant digits."""
    return f"{value:.2f}x" if 0.095 <= value < 9.995 else f"{value:.1f}x" if value >= 9.995 else f"{value:.2g}x"


def format_factor(value: float) -> str:
    """Format a factor of at least 1, rounded up so that it does not promise too much: 1.12, 1.4, 3."""
    digits = 2 if value < 1.2 else 1
    return f"{math.ceil(round(value * 10**digits, 6)) / 10**digits:g}"


def format_ratio_with_interval(value: float, low: float | None, high: float | None) -> str:
    """Format a ratio with its interval, `0.70x (0.66-0.74)`, or the ratio alone if the interval is not known."""
    if low is None or high is None:
        return format_ratio(value)
    return f"{format_ratio(value)} ({format_ratio(low).removesuffix('x')}-{format_ratio(high).removesuffix('x')})"


def format_percent(value: float) -> str:
    """Format a share as a percentage with at most two significant digits: 0.4%, 3%, 12%."""
    scaled = value * 100
    return f"{scaled:.1f}%" if 0.05 <= scaled < 0.95 else f"{scaled:.0f}%"


def format_proportion(value: float) -> str:
    """Format a share that may be small as a percentage with at most two significant digits: 0.03%, 1.2%, 12%."""
    scaled = value * 100
    if scaled == 0 or scaled >= 9.95:
        return f"{scaled:.0f}%"
    return f"{scaled:.1f}%" if scaled >= 0.995 else f"{scaled:.2g}%"


def format_at_most(value: float) -> str:
    """Format an upper bound of a share like `format_proportion`, but rounded up so that it does not claim too much."""
    scaled = value * 100
    if scaled == 0:
        return format_proportion(value)
    step = 1.0 if scaled >= 9.95 else 0.1 if scaled >= 0.995 else 10.0 ** (math.floor(math.log10(scaled)) - 1)
    return format_proportion(math.ceil(round(scaled / step, 6)) * step / 100)


def format_relative_error(value: float) -> str:
    """Format a relative error with one digit below 1e-3, two below 0.1, else three: 4e-07, 0.0015, 0.012, 0.250."""
    if value < 1e-3:
        return f"{value:.0e}"
    return f"{value:.4f}" if value < 0.00995 else format_three_digits(value)


def pluralize(number: int, noun: str) -> str:
    """Return the number and its noun: `1 regression`, `2 regressions`, `2 processes`."""
    ending = "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{'' if number == 1 else ending}"


def shorten(text: str, longest: int = 40) -> str:
    """Return the text, or its beginning and `...` where it is longer: for what users typed, in messages."""
    return text if len(text) <= longest else text[: longest - 3] + "..."
