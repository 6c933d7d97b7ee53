"""A suite of several parts: sweeps that share the axes of the suite, and differ in some of them.

One sweep is every combination of its axes. Parts say what this cannot: a batch that belongs to a length, or a ratio
that belongs to a method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dctbench.spec.grid import DEFAULT_KEPT

Axes = Mapping[str, Sequence[Any]]
OF_A_PART = ("impl", "seq", "ratio", "kept", "batch", "heads", "head_dim", "dtype", "threads")
"""The axes that a part may have. The others decide which machine or which kind of run a suite needs."""


def without_compression(given: Axes) -> dict[str, Sequence[Any]]:
    """Return what `ratio` or `kept` empties, since both say how much a method keeps.

    The default numbers of `kept` alone leave the ratios to the methods that have no such number.
    """
    emptied: dict[str, Sequence[Any]] = {}
    if "ratio" in given:
        emptied["kept"] = ()
    if "kept" in given and DEFAULT_KEPT not in given["kept"]:
        emptied["ratio"] = ()
    return emptied


def completed(axes: Axes, parts: Sequence[Axes]) -> tuple[Axes, list[Axes]]:
    """Return the axes with the values of all parts together, and each part with every axis in which parts differ.

    Args:
        axes: of the suite, with defaults. A part has them where it does not set its own.
        parts: as they stand in the file. One of `ratio` and `kept` replaces both of the suite, as a flag does.
    """
    parts = [{**without_compression(part), **part} for part in parts]
    differing = dict.fromkeys(key for part in parts for key in part)
    whole = [{key: part[key] if key in part else axes[key] for key in differing} for part in parts]
    together = {key: list(dict.fromkeys(value for part in whole for value in part[key])) for key in differing}
    return {**axes, **together}, list(whole)


def overridden(parts: Sequence[Axes], replaced: Axes) -> list[Axes]:
    """Return the parts with other values for some axes.

    Of the methods that are asked for, a part measures its own, since what it sets is meant for them. One that is in no
    part is measured in every part.
    """
    if not parts:
        return []
    found = [{key: values for key, values in part.items() if key not in replaced or key == "impl"} for part in parts]
    asked = replaced.get("impl")
    if asked is None or not all("impl" in part for part in found):
        return [{key: values for key, values in part.items() if key not in replaced} for part in found]
    known = {name for part in found for name in part["impl"]}
    for part in found:
        part["impl"] = [name for name in asked if name in part["impl"] or name not in known]
    return [part for part in found if part["impl"]]
