"""The rules of a check and the budgets of a choice, as users write them in flags and in a suite's `[gate]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dctbench import catalog
from dctbench.analysis import Budgets
from dctbench.errors import UsageError
from dctbench.spec import axes, grid
from dctbench.text.parse import parse_duration, parse_named, parse_share, parse_size

MOST_PAIRS = 200
LEAST_TOLERANCE, MOST_TOLERANCE = 0.001, 10.0
TOLERANCES = ("tolerance", "tolerance_flops", "tolerance_memory", "tolerance_error")
BUDGETS = ("max_latency_p99", "max_memory", "max_error")
GATE_KEYS = ("reference", *TOLERANCES, "pairs", "max_pairs", *BUDGETS, "at")
"""The keys of `[gate]`; each means what its flag of `dctbench check` means."""


def gate_rule(key: str, texts: Sequence[str]) -> Any:
    """Return the valid value of one rule.

    Args:
        key: one of GATE_KEYS.
        texts: as typed; several if the flag may be repeated.

    Raises:
        UsageError: for an invalid value; the message names the flag.
    """
    flag = f"--{key.replace('_', '-')}"
    if key in ("max_memory", "max_error"):
        budgets(max_memory=texts if key == "max_memory" else (), max_error=texts if key == "max_error" else ())
        return list(texts)
    if key == "at":
        return at(texts)
    if len(texts) != 1:
        raise UsageError(f"{flag}: one value, not {len(texts)}", hint=f"such as {flag} {texts[0]}")
    if key == "reference":
        return catalog.select_implementations(texts)[0]
    if key in ("pairs", "max_pairs"):
        text = texts[0].strip()
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
        if not 2 <= number <= MOST_PAIRS:
            raise UsageError(f"{flag} {text!r}: not a number of pairs", hint=f"{flag} accepts 2 to {MOST_PAIRS}")
        return number
    if key == "max_latency_p99":
        parse_duration(texts[0], flag)
        return texts[0]
    value = parse_share(texts[0], flag)
    if value > MOST_TOLERANCE or (key == "tolerance" and value < LEAST_TOLERANCE):
        problem = "more than tenfold" if value > 1 else f"no two runs agree to {value:g}"
        raise UsageError(f"{flag} {texts[0]!r}: {problem}", hint=f"such as {flag} 10%")
    return value


def budgets(
    max_latency_p99: str | None = None, max_memory: Sequence[str] = (), max_error: Sequence[str] = ()
) -> Budgets:
    """Parse the budgets `10ms`, `64MiB` or `process=64MiB`, and `5%` or `noise=5%`.

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
        name, rest = parse_named(text, ("smooth", "noise"), "--max-error")
        limits[f"error_{name}"] = parse_share(rest, "--max-error")
    return Budgets(**limits)


def at(texts: Sequence[str]) -> dict[str, Any]:
    """Parse `seq=4096` or `impl=dct-x,ratio=8` into values by field of a case.

    Raises:
        UsageError: for an unknown axis or an invalid value.
    """
    found: dict[str, Any] = {}
    for text in (part for whole in texts for part in whole.split(",") if part.strip()):
        name, _, value = (word.strip() for word in text.partition("="))
        if value and name in axes.NUMERIC_AXES:
            values: Sequence[Any] = grid.parse_axis(value, axes.NUMERIC_AXES[name])
        elif value and name in axes.WORD_AXES:
            values = axes.words(name, [value])
        else:
            known = ", ".join((*axes.NUMERIC_AXES, *axes.WORD_AXES))
            raise UsageError(f"--at {text!r}: not AXIS=VALUE", hint=f"such as --at seq=4096; axes: {known}")
        if len(values) != 1:
            raise UsageError(f"--at {text!r}: one value of an axis at a time", hint="such as --at seq=4096")
        found[axes.field(name)] = values[0]
    return found
