"""Strategies for files that are close to, or far from, what an importer expects."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

FILES = Path(__file__).parents[1] / "importers" / "files"
VALID = [path.read_bytes() for path in sorted(FILES.glob("*.json"))]
_TREES = [json.loads(data) for data in VALID]
_NUMBER = re.compile(rb"(?<=[ \[])-?\d+(\.\d+)?([eE]-?\d+)?")
_MEMBER = re.compile(rb'"[a-z_.]+": ("[^"]*"|-?[\d.e-]+|null)')
_STRANGE = (
    b"", b"\x00", b"\x1f\x8b\x08\x00", b"BZh9", b"\xef\xbb\xbf", b"\xff\xfe", b"[" * 5000, b'{"a":' * 5000,
    b"{}", b"[]",
)  # fmt: skip
_NUMBERS = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e308", b"5e-324", b"-0", b"-0.0", b"0", b"-1", b"1.5",
    b"9" * 400, b"9" * 5000, b"1." + b"0" * 400 + b"1", b"0x10", b"01", b"18446744073709551616", b"1e-400", b"true",
    b'"1"',
)  # fmt: skip
_VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([
        None, True, False, 0, 1, -1, 2**24, 2**24 + 1, 2**63, 2**64, -(2**70), 0.5, -0.0, 1e-10, 1e6, 1e30, 1e300,
        5e-324, "", "x" * 300, "\x00", "\x1b[2J", "\ud800", "a\nb", "../../x", "cpu", "cuda:99", "{}", "%s", "=1+1",
        "</script>",
        "2026-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999", "0001-01-01T00:00:00+14:00",
        [], {}, [[]], [{}], {"a": {"b": [1]}}, [None], [1e-3] * 3,
    ]),
    st.text(max_size=8), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.recursive(st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
                 lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
                 max_leaves=8),
)  # fmt: skip


def noise() -> st.SearchStrategy[bytes]:
    """Random bytes, some of which begin like compressed or nested data."""
    return st.builds(
        lambda *parts: b"".join(parts), st.sampled_from(_STRANGE), st.binary(max_size=200), st.sampled_from(_STRANGE)
    )


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid file with a few bytes changed, removed, duplicated or inserted."""
    data = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 40)))
        put_in = draw(st.one_of(st.binary(max_size=8), st.just(data[start:stop] * 2), st.sampled_from(_STRANGE)))
        data = data[:start] + put_in + data[stop:]
    return data


@st.composite
def respelt(draw: st.DrawFn) -> bytes:
    """A valid file with invalid spellings of numbers or duplicate members."""
    data = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            found = draw(st.sampled_from(list(_NUMBER.finditer(data))))
            data = data[: found.start()] + draw(st.sampled_from(_NUMBERS)) + data[found.end() :]
        else:
            one, other = (draw(st.sampled_from(list(_MEMBER.finditer(data)))) for _ in range(2))
            data = data[: one.start()] + other[0] + b", " + data[one.start() :]
    return data


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """A valid file with values replaced, removed, added, wrapped or duplicated. It is still JSON."""
    tree = copy.deepcopy(draw(st.sampled_from(_TREES)))
    for _ in range(draw(st.integers(1, 4))):
        places = list(_places(tree))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        draw(st.sampled_from(_CHANGES))(draw, holder, key)
    return json.dumps(tree).encode("ascii")


def _replace(draw: st.DrawFn, holder: Any, key: Any) -> None:
    holder[key] = draw(_VALUES)


def _remove(draw: st.DrawFn, holder: Any, key: Any) -> None:
    del holder[key]


def _double(draw: st.DrawFn, holder: Any, key: Any) -> None:
    if isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    else:
        holder[draw(st.text(max_size=10))] = copy.deepcopy(holder[key])


def _wrap(draw: st.DrawFn, holder: Any, key: Any) -> None:
    for _ in range(draw(st.sampled_from([1, 7, 40]))):
        holder[key] = [holder[key]]


def _replace_similar(draw: st.DrawFn, holder: Any, key: Any) -> None:
    """A value of the same kind."""
    value = holder[key]
    if isinstance(value, str):
        holder[key] = draw(st.text(max_size=12))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        holder[key] = draw(st.one_of(st.integers(-2, 2**25), st.floats(1e-12, 1e12)))
    elif isinstance(value, list):
        holder[key] = value[::-1] + value[:1]


_CHANGES: tuple[Callable[[st.DrawFn, Any, Any], None], ...] = (
    _replace,
    _remove,
    _double,
    _wrap,
    _replace_similar,
    _replace_similar,
)


def _places(tree: Any) -> Any:
    """Every (container, key) below a value."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(items):
        yield tree, key
        yield from _places(value)


def any_file() -> st.SearchStrategy[bytes]:
    """Any of these strategies, most often those that stay closest to a valid file."""
    return st.one_of(changed(), changed(), respelt(), damaged(), noise())
