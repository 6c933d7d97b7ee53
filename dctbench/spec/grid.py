"""The grammar of numeric axes, and the expansion of axes into distinct cases.

    512                one value (8k is 8192 on an integer axis)
    512..8192          doubling; both ends are included even if doubling does not reach the upper one
    512..8192:x1.5     multiplying
    512..8192:+512     adding
    512..2048,6000     several parts, joined by commas

A range from 0 needs an adding step, 0..4:+1.

`parse_values` reads every numeric axis, so flags and suite files accept the same text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol

from dctbench.errors import UsageError
from dctbench.model import MAX_RANKS, Case, tidy_number, undivided_axis
from dctbench.text.format import format_seconds, shorten
from dctbench.text.parse import parse_duration, typed_duration

MAX_VALUES = 100_000
MAX_VALUE = 2**24
_MOST_DIGITS = 16  # longer integers are mistakes, and int() of thousands of digits raises on its own
_MOST_DECIMALS = 24  # as Python writes floats in the bounds of an axis, with some to spare
_INTEGER = re.compile(r"[0-9]+k?", re.ASCII | re.IGNORECASE)
_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)


REFERENCE = "sdpa"
DEFAULT_KEPT = "default"
"""The word on the axis `kept` for the number that each method keeps by default."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A numeric axis: the flag that sets it, and the bounds of its values, both included.

    `word` may stand in place of all numbers.
    """

    flag: str
    minimum: int = 1
    maximum: int = MAX_VALUE
    integer: bool = True
    word: str | None = None

    def accepts(self) -> str:
        """Return a description of the accepted values, for errors."""
        number = "integers such as 512 or 8k" if self.integer else "numbers such as 4 or 2.5"
        alone = "" if self.word is None else f"{self.word!r} alone, or "
        return (
            f"{alone}{number} from {self.minimum} to {self.maximum}, ranges such as 512..8192 (doubling), "
            "512..8192:x1.5 or 512..8192:+512, joined by commas"
        )


SEQ_LEN = Axis("--seq")
RATIO = Axis("--ratio", integer=False)
KEPT = Axis("--kept", word=DEFAULT_KEPT)
BATCH = Axis("--batch")
HEADS = Axis("--heads")
HEAD_DIM = Axis("--head-dim")
RECOVER = Axis("--recover", maximum=1_000_000)
KEEP_FIRST = Axis("--keep-first", minimum=0, maximum=9999)
RANKS = Axis("--ranks", maximum=MAX_RANKS)
THREADS = Axis("--threads", maximum=4096)  # more than any machine has, and few enough for a process to start


@dataclass(frozen=True, slots=True)
class DurationAxis:
    """An axis of times, joined by commas: the flag that sets it, and the bounds of its values in seconds."""

    flag: str
    minimum: float = 1e-4
    maximum: float = 60.0

    def parse(self, text: str) -> list[float]:
        """Return the sorted, distinct seconds that `text` names: `20ms`, `5ms,10ms`.

        Raises:
            UsageError: for anything else, for times out of bounds, and for more than 100,000 of them.
        """
        values = set()
        for part in text.split(","):
            seconds = parse_duration(part, self.flag)
            if math.isclose(seconds, self.minimum):  # 100 times 1e-6 is a little less than 1e-4
                seconds = self.minimum
            if not self.minimum <= seconds <= self.maximum:
                raise UsageError(
                    f"{self.flag} {shorten(part.strip())!r}: out of range", hint=f"{self.flag} accepts 100us to 60s"
                )
            values.add(seconds)
            if len(values) > MAX_VALUES:
                raise UsageError(f"{self.flag}: more than {MAX_VALUES:,} values", hint="leave out some of them")
        return sorted(values)


PERIOD = DurationAxis("--period")
DEADLINE = DurationAxis("--deadline")


def parse_values(text: str, axis: Axis | DurationAxis) -> Sequence[float | int | str]:
    """Return the word of the axis, if that is the text, or else what `parse_axis` returns.

    Raises:
        UsageError: as `parse_axis` does.
    """
    if isinstance(axis, DurationAxis):
        return axis.parse(text)
    return [axis.word] if axis.word is not None and text.strip() == axis.word else parse_axis(text, axis)


def parse_axis(text: str, axis: Axis) -> list[float | int]:
    """Return the sorted, distinct numbers that `text` names.

    Raises:
        UsageError: for text outside the grammar, values out of bounds, or more than 100,000 values. The message names
            the flag, the value and what is accepted.
    """

    def invalid(what: str, problem: str) -> UsageError:
        return UsageError(f"{axis.flag} {shorten(what)!r}: {problem}", hint=f"{axis.flag} accepts {axis.accepts()}")

    values: set[float | int] = set()
    if not text.strip():
        raise invalid(text, "no value given")
    for part in text.split(","):
        item = part.strip()
        if not item:
            raise invalid(text, "an empty value between commas")
        try:
            values.update(_expand(item, axis, MAX_VALUES - len(values)))
        except _InvalidItemError as bad:
            raise invalid(item, str(bad)) from None
        if len(values) > MAX_VALUES:
            raise invalid(text, f"more than {MAX_VALUES:,} values")
    return sorted(values)


class _InvalidItemError(Exception):
    """One comma-separated item is invalid; the message says why."""


def _expand(item: str, axis: Axis, room: int) -> Iterable[float | int]:
    span, colon, step = item.partition(":")
    low_text, dots, high_text = span.partition("..")
    if not dots:
        if colon:
            raise _InvalidItemError("a step needs a range, low..high:step")
        return [_bounded(span, axis)]
    if not low_text.strip() or not high_text.strip():
        raise _InvalidItemError("a range needs both ends, low..high")
    low, high = _bounded(low_text, axis), _bounded(high_text, axis)
    if high < low:
        raise _InvalidItemError("the range runs downwards; write the lower end first")
    if colon and not step:
        raise _InvalidItemError("a step is missing after the colon; write :x2 to multiply or :+512 to add")
    return _steps(low, high, step or "x2", axis, room)


def _steps(low: float, high: float, step: str, axis: Axis, room: int) -> set[float | int]:
    kind, amount = step[0].lower(), step[1:]
    if kind == "x":
        factor = _literal(amount, integer=False)
        if factor <= 1:
            raise _InvalidItemError("a multiplying step must be greater than 1")
        if not low:
            raise _InvalidItemError(f"a range from 0 cannot multiply; write {low}..{high}:+1")
        count = math.log(high / low) / math.log(factor)
        series: Iterator[float] = (low * factor**i for i in range(1, int(min(count, MAX_VALUES)) + 2))
    elif kind == "+":
        increment = _literal(amount, integer=axis.integer)
        if increment <= 0:
            raise _InvalidItemError("an adding step must be greater than 0")
        count = (high - low) / increment
        series = (low + increment * i for i in range(1, int(min(count, MAX_VALUES)) + 2))
    else:
        raise _InvalidItemError("a step multiplies (:x1.5) or adds (:+512)")
    if count > min(room, MAX_VALUES):
        raise _InvalidItemError(f"more than {MAX_VALUES:,} values")
    inner = (round(value) if axis.integer else tidy_number(round(value, 6)) for value in series)
    return {low, high, *(value for value in inner if low < value < high)}


def _bounded(text: str, axis: Axis) -> float | int:
    value = _literal(text.strip(), axis.integer)
    if not axis.minimum <= value <= axis.maximum:
        raise _InvalidItemError(f"{text.strip()} is outside {axis.minimum} to {axis.maximum}")
    return value


def _literal(text: str, integer: bool) -> float | int:
    pattern, most = (_INTEGER, _MOST_DIGITS) if integer else (_DECIMAL, _MOST_DECIMALS)
    if len(text) > most or not pattern.fullmatch(text):
        kind = "an integer" if integer else "a number"
        raise _InvalidItemError(f"{shorten(text)!r} is not {kind}" if text else "a number is missing")
    if not integer:
        return tidy_number(float(text))
    return int(text[:-1]) * 1024 if text[-1] in "kK" else int(text)


_OPTIONAL = ("model", "input", "ranks")
"""Axes without values where nobody sets them: the field of the case is then None."""


class Compression(Protocol):
    """What the expansion needs to know of an implementation: the catalog and a worker's reply both say it."""

    @property
    def uses_ratio(self) -> bool | None:
        """Whether it keeps less than the whole sequence."""

    @property
    def default_kept(self) -> int | None:
        """The number that it keeps if neither a ratio nor a number is asked for."""


def expand_cases(axes: Mapping[str, Sequence[Any]], methods: Mapping[str, Compression]) -> list[Case]:
    """Return every combination of the axes, each case once.

    An axis that an implementation ignores becomes None, so sdpa is measured once and not once per ratio.

    Args:
        axes: values per axis: impl, seq, ratio, kept, batch, heads, head_dim, dtype, device, threads, scope, mode,
            engine, model, input, ranks, layers, keep_first, recover; and period and deadline in seconds, each of which
            may be absent.
        methods: the implementations by name.

    Raises:
        UsageError: if an implementation needs a ratio and there is none, for a deadline that is longer than a period,
            for ranks of what is not a forward pass of a layer, and for more than 100,000 cases.
    """
    cases: dict[Case, None] = {}
    names = ("scope", "mode", "engine", "device", "dtype", "threads", "batch", "heads", "head_dim", "model", "input",
             "ranks", "seq_len")  # fmt: skip
    keys = (*names[:-1], "seq")
    shapes = [axes.get(key) or (None,) if key in _OPTIONAL else axes[key] for key in keys]
    schedules, treatments = _schedules(axes), _treatments(axes)
    number = 0
    for implementation in axes["impl"]:
        compressions = _compressions(implementation, methods[implementation], axes)
        treated = treatments if implementation != REFERENCE else [{}]
        number += math.prod(map(len, (compressions, treated, schedules, *shapes)))
        check_number_of_cases(number)
        for values in product(*shapes):
            shape = dict(zip(names, values, strict=True))
            for compression, treatment, schedule in product(compressions, treated, schedules):
                case = Case(implementation=implementation, **compression, **treatment, **shape, **schedule)
                _check_ranks(case, axes)
                cases[case] = None
    return list(cases)


def check_number_of_cases(number: int) -> None:
    """Refuse too many cases. It is called before they are made, since they may be more than memory has room for.

    Raises:
        UsageError: for more than 100,000.
    """
    if number > MAX_VALUES:
        raise UsageError(f"the axes give more than {MAX_VALUES:,} cases", hint="narrow one of the axes")


def _check_ranks(case: Case, axes: Mapping[str, Sequence[Any]]) -> None:
    """Refuse to divide anything but a forward pass of a layer among ranks.

    Raises:
        UsageError: naming the axis that was given and its value.
    """
    found = None if case.ranks is None else undivided_axis(case)
    if found is not None:
        axis, value, divided = found
        if axis == "period" and not axes.get("period"):  # without one, calls are released at the deadline
            axis = "deadline"
        given = format_seconds(value) if isinstance(value, float) else value
        remedy = f"leave out --{axis}" if divided is None else f"give --{axis} {divided}"
        raise UsageError(
            f"--ranks divides the forward pass of a layer in engine eager; --{axis} {given} does not go with it",
            hint=f"{remedy}, or measure without --ranks",
        )


def _schedules(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the fields `period` and `deadline` of the cases. One that is not given is as long as the other.

    Raises:
        UsageError: for a deadline after the next release. Calls would then wait for each other, and be late for it.
            For more than 100,000 pairs.
    """
    periods, deadlines = axes.get("period") or (), axes.get("deadline") or ()
    if not periods and not deadlines:
        return [{}]
    check_number_of_cases(len(periods) * len(deadlines))
    pairs = list(product(periods, deadlines)) or [(span, span) for span in (*periods, *deadlines)]
    for period, deadline in pairs:
        if deadline > period:
            raise UsageError(
                f"--deadline {format_seconds(deadline)} is longer than --period {format_seconds(period)}",
                hint="a call must end before the next one is released: give a longer --period, or --deadline "
                f"{typed_duration(min(periods))}",
            )
    return [{"period": period, "deadline": deadline} for period, deadline in pairs]


def _treatments(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the fields `layers` and `recover` of the cases of a method in a model.

    The reference is the model as it is, whichever of its layers are replaced.

    Raises:
        UsageError: for more than 100,000 of them.
    """
    layers = [*(axes.get("layers") or ()), *(f"{first}.." for first in axes.get("keep_first") or ())] or [None]
    recover = axes.get("recover") or [None]
    check_number_of_cases(len(layers) * len(recover))
    return [{"layers": which, "recover": steps} for which, steps in product(layers, recover)]


def _compressions(name: str, method: Compression, axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the fields `ratio` and `kept` of the cases of an implementation: one of the two is set, or none."""
    if not method.uses_ratio:
        return [{}]
    default = [] if method.default_kept is None else [{"kept": method.default_kept}]
    kept = axes.get("kept") or ()
    by_default = DEFAULT_KEPT in kept
    if by_default and default:
        return default
    numbers = [] if by_default else [{"kept": number} for number in kept]
    found = [{"ratio": ratio} for ratio in axes.get("ratio") or ()] + numbers or default
    if not found:
        raise UsageError(f"{name} needs a compression ratio", hint="add --ratio, such as --ratio 4,8, or --kept 64")
    return found
