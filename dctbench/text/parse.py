"""Read times, sizes and shares as people type them, in flags and in suites."""

from __future__ import annotations

import re

from dctbench.errors import UsageError
from dctbench.model import Shards
from dctbench.text.format import shorten

MAX_DURATION = 14 * 86_400.0
"""Seconds. Longer ones are mistakes, and from 25 days on the operating system takes them for none."""
LONGER_THAN_ALLOWED = f"longer than {MAX_DURATION / 86_400:g} days"

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(us|µs|ms|s|m|min|h)?", re.ASCII)
_SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, None: 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_AGE = re.compile(r"([0-9]{1,9})d", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?(B|[kKMGT]i?B?)?", re.ASCII)
_POWERS = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4}
_POINTS = re.compile(r"([0-9]{1,2}(?:\.[0-9]{1,4})?) ?pt", re.ASCII)
_SHARE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?(?:e-?[0-9]{1,2})?)(%)?", re.ASCII)


def parse_duration(text: str, flag: str, *, bare_seconds: bool = False) -> float:
    """Return the seconds of `90s`, `500ms`, `30us`, `2m` or `1h`.

    Args:
        text: as typed.
        flag: for the message.
        bare_seconds: accept `90` as 90 seconds, where nobody means milliseconds: for how long a run may take.

    Raises:
        UsageError: for anything else, for zero, and for more than MAX_DURATION.
    """
    seconds = _seconds(text, flag, "120s, 2m, 500ms", "write {0}ms, or {0}s if that is meant", bare=bare_seconds)
    if seconds > MAX_DURATION:
        raise UsageError(
            f"{flag} {shorten(text)!r}: {LONGER_THAN_ALLOWED}", hint=f"{flag} accepts at most {MAX_DURATION / 3600:g}h"
        )
    return seconds


def parse_age(text: str, flag: str) -> float:
    """Return the seconds of an age: `30d`, or what `parse_duration` accepts without its upper bound.

    Raises:
        UsageError: for anything else, and for zero.
    """
    match = _AGE.fullmatch(text.strip())
    if match and int(match[1]):
        return int(match[1]) * 86_400.0
    return _seconds(text, flag, "30d, 12h", "write {0}d, or {0}h if that is meant")


def _seconds(text: str, flag: str, examples: str, units: str, *, bare: bool = False) -> float:
    match = _DURATION.fullmatch(text.strip())
    seconds = _product(match) if match else 0.0
    if match is None or seconds <= 0:
        raise UsageError(f"{flag} {shorten(text)!r}: not a time", hint=f"{flag} accepts a time above zero: {examples}")
    if match[2] is None and not bare:
        raise UsageError(f"{flag} {shorten(text)!r}: a time without its unit", hint=units.format(match[1]))
    return seconds


def _product(duration: re.Match[str]) -> float:
    return float(duration[1]) * _SECONDS[duration[2]]


def typed_duration(seconds: float) -> str:
    """Return the shortest text of which `parse_duration` makes these seconds: `20ms`, `1.5s`."""
    texts = [f"{seconds / _SECONDS[unit]:.6f}".rstrip("0").rstrip(".") + unit for unit in ("s", "ms", "us")]
    same = [text for text in texts if (match := _DURATION.fullmatch(text)) and _product(match) == seconds]
    return min(same, key=len, default=texts[-1])


def parse_size(text: str, flag: str) -> float:
    """Return the bytes of `64MiB`, `2GiB`, `64M` (binary), `64MB` (decimal) or `512B`.

    Raises:
        UsageError: for anything else, and for zero.
    """
    match = _SIZE.fullmatch(text.strip())
    value = 0.0
    if match:
        unit = match[2] or "B"
        base = 1000 if unit[1:] == "B" else 1024
        value = float(match[1]) * (base ** _POWERS[unit[0]] if unit != "B" else 1)
    if value <= 0:
        raise UsageError(
            f"{flag} {shorten(text)!r}: not a size", hint=f"{flag} accepts bytes above zero: 64MiB, 2GiB, 500kB"
        )
    if match is None or match[2] is None:
        raise UsageError(
            f"{flag} {shorten(text)!r}: a size without its unit",
            hint=f"write {text.strip()}MiB, or {text.strip()}B if that is meant",
        )
    return value


def parse_share(text: str, flag: str) -> float:
    """Return a share of one: 0.05 for `5%` or `0.05`, 2.5 for `250%`.

    Raises:
        UsageError: for anything else, and for a bare number of 1 or more: `10` is meant as 10%, not as tenfold.
    """
    match = _SHARE.fullmatch(text.strip())
    if not match:
        raise UsageError(f"{flag} {shorten(text)!r}: not a share", hint=f"{flag} accepts 5% or 0.05")
    number, percent = float(match[1]), match[2] is not None
    if number >= 1 and not percent:
        raise UsageError(
            f"{flag} {shorten(text)!r}: a bare number is a share of one, so this would be {100 * number:g}%",
            hint=f"write {match[1]}% or {number / 100:g}, or {100 * number:g}% if that is meant",
        )
    return number / 100 if percent else number


def parse_points(text: str, flag: str) -> float:
    """Return a difference of accuracies: 0.02 for `2pt`.

    Raises:
        UsageError: for anything else.
    """
    match = _POINTS.fullmatch(text.strip())
    if not match or float(match[1]) <= 0:
        raise UsageError(
            f"{flag} {shorten(text)!r}: not a number of points", hint=f"{flag} accepts points of accuracy, such as 1pt"
        )
    return float(match[1]) / 100


def parse_shard(text: str, flag: str) -> Shards:
    """Return the shard that `3/16` names.

    Raises:
        UsageError: for anything else, and for a number outside 1 to the number of shards.
    """
    found = Shards.read(text.strip())
    if found is None or len(found.numbers) != 1:
        raise UsageError(
            f"{flag} {shorten(text)!r}: not one of several shards",
            hint=f"{flag} accepts I/N, such as 3/16 for the third of sixteen; the first is 1/16",
        )
    return found


def parse_named(text: str, names: tuple[str, ...], flag: str) -> tuple[str, str]:
    """Return (name, rest) of `name=rest`. Without a name, the first of `names` is meant.

    Raises:
        UsageError: for a name that is not among `names`.
    """
    name, equals, rest = text.partition("=")
    if not equals:
        return names[0], text
    if name.strip() not in names:
        raise UsageError(
            f"{flag} {shorten(text)!r}: {shorten(name.strip())!r} is not a name for it",
            hint=f"{flag} accepts {' or '.join(f'{n}=' for n in names)}",
        )
    return name.strip(), rest
