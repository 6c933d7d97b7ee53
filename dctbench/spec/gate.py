"""The rules of a gate and the budgets of a choice, as users type them in flags and in a suite's `[gate]`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dctbench.analysis import Budgets
from dctbench.errors import UsageError
from dctbench.spec import axes, grid
from dctbench.text.format import shorten
from dctbench.text.parse import parse_duration, parse_named, parse_points, parse_share, parse_size

MOST_PAIRS = 200
LEAST_TOLERANCE, MOST_TOLERANCE = 0.001, 10.0
LEAST_MISS_RATE = 1e-5
TOLERANCES = ("tolerance", "tolerance_flops", "tolerance_memory", "tolerance_error")
CONFIDENCES = ("95", "99")
BUDGETS = ("max_latency_p99", "max_memory", "max_error", "max_miss_rate")
GATE_KEYS = ("reference", *TOLERANCES, "max_accuracy_drop", "pairs", "max_pairs", *BUDGETS, "confidence", "at")
"""The keys of `[gate]`. Each means what its flag of `dctbench check` means."""
_LIMITS = {
    "max_latency_p99": {"latency_p99"},
    "max_memory": {"memory", "memory_process"},
    "max_error": {"error_smooth", "error_noise", "error_input"},
    "max_miss_rate": {"miss_rate"},
}
"""The limits that each flag sets, by their names in `Budgets`: a flag replaces all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """The rules of a check that a suite or a user sets. Rules that are None or empty have their defaults.

    Attributes:
        reference: the implementation that is measured in addition to every case.
        tolerance: the relative change of latency that passes, for every device.
        tolerance_flops, tolerance_memory, tolerance_error: the same for FLOPs, memory and error.
        max_accuracy_drop: how far the accuracy on a task may fall: 0.01 for a point.
        pairs: the number of pairs of processes for every case.
        max_pairs: the most pairs for an undecided case.
        limits: the most that head may need, by the names of the limits in `analysis.Budgets`.
        confidence: of the bounds that the limits of p99 and miss rate are compared with: 0.95 or 0.99.
        at: the cases that the limits apply to, by field of `Case`; all of them when empty.

    Raises:
        UsageError: for a value that no flag accepts, naming the flag.
    """

    reference: str | None = None
    tolerance: float | None = None
    tolerance_flops: float | None = None
    tolerance_memory: float | None = None
    tolerance_error: float | None = None
    max_accuracy_drop: float | None = None
    pairs: int | None = None
    max_pairs: int | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    confidence: float | None = None
    at: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in TOLERANCES:
            least = LEAST_TOLERANCE if name == "tolerance" else 0.0
            _check_range(name, getattr(self, name), least, MOST_TOLERANCE, "such as 0.1 for 10%")
        _check_range("max_accuracy_drop", self.max_accuracy_drop, 0.0, 1.0, "such as 0.01 for a point")
        for name in ("pairs", "max_pairs"):
            _check_range(name, getattr(self, name), 2, MOST_PAIRS, f"2 to {MOST_PAIRS}")
        check_confidence(self.confidence)

    @classmethod
    def parse(cls, texts: Mapping[str, Sequence[str]]) -> GateRules:
        """Parse rules as typed, by the names in GATE_KEYS; several texts if a flag may be repeated.

        Raises:
            UsageError: for an invalid value; the message names the flag.
        """
        values = {key: _PARSERS[key](f"--{key.replace('_', '-')}", texts[key]) for key in texts if key in _PARSERS}
        single = {
            name: _single(f"--{name.replace('_', '-')}", texts[name])
            for name in ("max_latency_p99", "max_miss_rate")
            if name in texts
        }
        budgets = parse_budgets(
            single.get("max_latency_p99"),
            texts.get("max_memory", ()),
            texts.get("max_error", ()),
            single.get("max_miss_rate"),
        )
        return cls(**values, limits=budgets.given)

    def over(self, other: GateRules) -> GateRules:
        """Return these rules, completed by those of `other`."""
        names = ("reference", *TOLERANCES, "max_accuracy_drop", "pairs", "max_pairs", "confidence")
        values = {name: getattr(other if getattr(self, name) is None else self, name) for name in names}
        replaced = {name for group in _LIMITS.values() if self.limits.keys() & group for name in group}
        kept = {name: limit for name, limit in other.limits.items() if name not in replaced}
        return GateRules(**values, limits={**kept, **self.limits}, at=self.at or other.at)


def check_confidence(value: float | None) -> None:
    """Refuse a confidence other than CONFIDENCES.

    Raises:
        UsageError: naming the flag.
    """
    if value is not None and f"{100 * value:g}" not in CONFIDENCES:
        raise UsageError(f"--confidence: {value} is out of range", hint="0.95 or 0.99")


def _check_range(name: str, value: float | None, least: float, most: float, hint: str) -> None:
    if value is not None and not least <= value <= most:
        raise UsageError(f"--{name.replace('_', '-')}: {value} is out of range", hint=hint)


def _single(flag: str, texts: Sequence[str]) -> str:
    if len(texts) != 1:
        raise UsageError(f"{flag}: expected one value, got {len(texts)}", hint=f"such as {flag} {texts[0]}")
    return texts[0]


def parse_reference(flag: str, texts: Sequence[str]) -> str:
    """Parse the name of an implementation."""
    return axes.one_implementation(flag, _single(flag, texts))


def parse_pairs(flag: str, texts: Sequence[str]) -> int:
    """Parse a number of pairs."""
    text = _single(flag, texts).strip()
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if not 2 <= number <= MOST_PAIRS:
        raise UsageError(f"{flag} {text!r}: not a number of pairs", hint=f"{flag} accepts 2 to {MOST_PAIRS}")
    return number


def parse_confidence(flag: str, texts: Sequence[str]) -> float:
    """Parse a confidence in percent, one of CONFIDENCES."""
    text = _single(flag, texts).strip().removesuffix("%")
    if text not in CONFIDENCES:
        raise UsageError(f"{flag} {shorten(text)!r}: no such confidence", hint=f"{flag} accepts 95 or 99, in percent")
    return int(text) / 100


def parse_tolerance(flag: str, texts: Sequence[str]) -> float:
    """Parse a relative change: `10%` is 0.1."""
    text = _single(flag, texts)
    value = parse_share(text, flag)
    if value > MOST_TOLERANCE or (flag == "--tolerance" and value < LEAST_TOLERANCE):
        problem = "more than tenfold" if value > 1 else f"no two runs agree to {value:g}"
        raise UsageError(f"{flag} {text!r}: {problem}", hint=f"such as {flag} 10%")
    return value


def parse_budgets(
    max_latency_p99: str | None = None,
    max_memory: Sequence[str] = (),
    max_error: Sequence[str] = (),
    max_miss_rate: str | None = None,
) -> Budgets:
    """Parse the budgets `10ms`, `64MiB` or `process=64MiB`, `5%` or `noise=5%`, and `0.1%`.

    Raises:
        UsageError: for any other text; the message names the flag.
    """
    limits: dict[str, float] = {}
    if max_latency_p99 is not None:
        limits["latency_p99"] = parse_duration(max_latency_p99, "--max-latency-p99")
    for text in max_memory:
        name, rest = parse_named(text, ("tensor", "process"), "--max-memory")
        limits["memory" if name == "tensor" else "memory_process"] = parse_size(rest, "--max-memory")
    for text in max_error:
        name, rest = parse_named(text, ("smooth", "noise", "input"), "--max-error")
        limits[f"error_{name}"] = parse_share(rest, "--max-error")
    if max_miss_rate is not None:
        limits["miss_rate"] = share = parse_share(max_miss_rate, "--max-miss-rate")
        if not LEAST_MISS_RATE <= share < 1:
            raise UsageError(
                f"--max-miss-rate {shorten(max_miss_rate)!r}: out of range",
                hint="--max-miss-rate accepts 0.001% to less than 100%: no number of calls shows a rate of 0",
            )
    return Budgets(**limits)


def at(texts: Sequence[str]) -> dict[str, Any]:
    """Parse `seq=4096`, `impl=dct-x,ratio=8` or `model=minilm,layers=0,2,4` into values by field of a case.

    Raises:
        UsageError: for an unknown axis or an invalid value.
    """
    found: dict[str, Any] = {}
    for text in (part for whole in texts for part in _places(whole)):
        name, _, value = (word.strip() for word in text.partition("="))
        if value and name in axes.NUMERIC_AXES and axes.is_field(name):
            values: Sequence[Any] = grid.parse_values(value, axes.NUMERIC_AXES[name])
        elif value and name in axes.WORD_AXES:
            values = axes.words(name, [value])
        else:
            known = ", ".join(filter(axes.is_field, (*axes.NUMERIC_AXES, *axes.WORD_AXES)))
            raise UsageError(f"--at {text!r}: not AXIS=VALUE", hint=f"such as --at seq=4096; axes: {known}")
        field_name = axes.field(name)
        if len(values) != 1 or found.get(field_name, values[0]) != values[0]:
            raise UsageError(f"--at {text!r}: one value of an axis at a time", hint="such as --at seq=4096")
        found[field_name] = values[0]
    return found


def _places(whole: str) -> list[str]:
    """Split `impl=dct-x,layers=0,2` at the commas between axes: one value of `layers` holds commas, and no other."""
    parts: list[str] = []
    for word in filter(str.strip, whole.split(",")):
        if parts and "=" not in word and parts[-1].partition("=")[0].strip() == "layers":
            parts[-1] += f",{word}"
        else:
            parts.append(word)
    return parts


_PARSERS: Mapping[str, Callable[[str, Sequence[str]], Any]] = {
    "reference": parse_reference,
    **dict.fromkeys(TOLERANCES, parse_tolerance),
    "max_accuracy_drop": lambda flag, texts: parse_points(_single(flag, texts), flag),
    "pairs": parse_pairs,
    "max_pairs": parse_pairs,
    "confidence": parse_confidence,
    "at": lambda flag, texts: at(texts),
}
