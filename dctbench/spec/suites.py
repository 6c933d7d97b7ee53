"""Read suites from TOML. Every mistake in a file is one sentence with the file, the key and the line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.resources import files
from itertools import chain, product, starmap
from pathlib import Path
from typing import Any, NamedTuple, get_args

from dctbench import catalog
from dctbench.catalog.inputs import HEAD_DIM as LAYER_HEAD_DIM
from dctbench.catalog.inputs import HEADS as LAYER_HEADS
from dctbench.catalog.inputs import layer_of
from dctbench.errors import UsageError
from dctbench.model import Isolation, MeasuringProtocol, RunSettings, devices_of_ranks
from dctbench.model.task import HEAD_DIM, HEADS, MOST_PATIENCE
from dctbench.spec import parts as several
from dctbench.spec.axes import NUMERIC_AXES, WORD_AXES, AxisValues, words
from dctbench.spec.gate import GATE_KEYS, GateRules
from dctbench.spec.grid import parse_values
from dctbench.text.files import read_limited
from dctbench.text.parse import parse_duration, parse_points
from dctbench.text.sanitize import sanitize_text
from dctbench.text.toml import check_integers, parse_toml
from dctbench.text.untrusted import InvalidDataError

DEFAULT_AXES: Mapping[str, Sequence[Any]] = {
    "batch": (1,), "heads": (8,), "head_dim": (64,), "dtype": ("float32",), "device": ("cpu",), "threads": (None,),
    "ratio": (), "kept": (), "scope": ("layer",), "mode": ("forward",), "engine": ("eager",),
    "task": (), "model": (), "layers": (), "keep_first": (), "recover": (), "input": (), "ranks": (),
}  # fmt: skip
TASK_AXES: Mapping[str, Sequence[Any]] = {
    "seq": (), "batch": (), "scope": ("encoder",), "mode": ("train",), "heads": (HEADS,), "head_dim": (HEAD_DIM,),
}  # fmt: skip
"""The axes that tasks set where nobody else does. Without a length or batch, each task has its own."""
MODEL_AXES: Mapping[str, Sequence[Any]] = {"heads": (), "head_dim": ()}
"""The axes that a model sets where nobody else does: only the model itself knows the shape of its attention."""
TRAINING_TIMEOUT = 3600.0
"""Seconds for a training and the choice of its rate, unless somebody asks for another time."""
SETTINGS = ("rounds", "short_rounds", "case_timeout", "env", "samples", "jobs", "margin", "isolation", "energy",
            "protocol", "patience")  # fmt: skip
"""The keys of `[settings]`."""
NOISE = "noise"
"""The suite of `dctbench noise`, and thus the name of the runs from which a gate takes its tolerance."""
MAX_NAME = 200
MAX_SAMPLES_ASKED = 100_000
MAX_ROUNDS = 1000
MAX_JOBS = 1024
MAX_SUITE_BYTES = 1 << 20
_AMOUNTS: Mapping[str, Callable[[str, str], float]] = {
    "case_timeout": partial(parse_duration, bare_seconds=True),
    "margin": parse_points,
}
"""How the settings with a unit are read."""
_MOST = {"rounds": MAX_ROUNDS, "short_rounds": MAX_ROUNDS, "samples": MAX_SAMPLES_ASKED, "jobs": MAX_JOBS,
         "patience": MOST_PATIENCE}  # fmt: skip
"""The settings that are counts, and the most that each may be."""
_LEAST = {"patience": 2}
"""The settings that are counts and begin above one."""
_WORDS: Mapping[str, Sequence[str]] = {"isolation": get_args(Isolation), "protocol": get_args(MeasuringProtocol)}
"""The settings that are words, and those that each may be."""


@dataclass(frozen=True, slots=True)
class Suite:
    """What a run measures: axes (lists of values), settings, and the rules of a check.

    A suite of several `parts` measures each of them: values of some axes, in place of those of `axes`, which then holds
    the values of all parts together.
    """

    name: str
    axes: Mapping[str, Sequence[Any]]
    settings: RunSettings = field(default_factory=RunSettings)
    gate: GateRules = field(default_factory=GateRules)
    description: str = ""
    parts: Sequence[several.Axes] = ()

    @property
    def sweeps(self) -> list[several.Axes]:
        """All axes of each part, or of the suite if it has no parts."""
        return [{**self.axes, **part} for part in self.parts] or [self.axes]

    @property
    def devices(self) -> list[str]:
        """What its cases run on, the GPUs of all ranks among them."""
        pairs = product(self.axes["device"], self.axes["ranks"] or [None])
        return list(dict.fromkeys(chain.from_iterable(starmap(devices_of_ranks, pairs))))


def shipped() -> list[str]:
    """Return the names of the suites that come with dctbench."""
    return sorted(f.name.removesuffix(".toml") for f in files("dctbench.suites").iterdir() if f.name.endswith(".toml"))


def load(name: str) -> Suite:
    """Return the suite of that name or path. A path ends in .toml or contains a separator.

    Raises:
        UsageError: if there is no such suite, for every mistake in its file, and for a file with the name of another
            suite, that of a shipped one: its runs would be taken for runs of that one.
    """
    if name.endswith(".toml") or "/" in name or "\\" in name:
        path, shown = Path(name), _one_line(name)
        try:
            data = read_limited(path, MAX_SUITE_BYTES + 1)
            if len(data) > MAX_SUITE_BYTES:
                raise UsageError(f"suite {shown}: larger than {MAX_SUITE_BYTES} bytes")
            text = data.decode("utf-8")
        except (OSError, ValueError) as error:
            if isinstance(error, UsageError):
                raise
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise UsageError(f"suite {shown}: {reason}", hint="give the path of a TOML file") from None
        found = parse(text, name)
        if found.name in shipped() and found != load(found.name):
            raise UsageError(
                f"suite {shown}: a suite of dctbench has the name {found.name!r} already",
                hint=f'give it another name: name = "my-{found.name}"',
            )
        return found
    if name not in shipped():
        raise catalog.unknown("suite", name, shipped())
    return parse((files("dctbench.suites") / f"{name}.toml").read_text(encoding="utf-8"), f"{name}.toml")


def parse(text: str, where: str) -> Suite:
    """Parse a suite from TOML text; `where` names the file in errors.

    Raises:
        UsageError: for text that is not TOML, unknown keys, wrong types and invalid values, with the line.
    """
    shown = _one_line(where)
    try:
        data = parse_toml(text)
        check_integers(data)
    except InvalidDataError as error:
        raise UsageError(f"suite {shown}: {error}", hint="suites are TOML files; see `dctbench list suites`") from None
    reader = _Reader(text, shown)
    reader.only(data, (), ("name", "description", "axes", "parts", "settings", "gate"))
    for key in ("name", "description"):
        if not isinstance(data.get(key, ""), str):
            raise reader.error((), key, "must be a string")
    raw_axes = reader.table(data, "axes")
    reader.only(raw_axes, ("axes",), (*NUMERIC_AXES, *WORD_AXES))
    trains = bool(raw_axes.get("task"))
    own_parts = reader.parts(data)
    for required in ("impl",) if trains else ("impl", "seq"):
        if not all(required in {**raw_axes, **part} for part in own_parts or [{}]):
            raise UsageError(
                f"suite {shown}: [axes] has no {required!r}", hint="a suite names at least impl, and seq or task"
            )
    defaults = {**DEFAULT_AXES, **(MODEL_AXES if raw_axes.get("model") else {}), **(TASK_AXES if trains else {})}
    given = {key: reader.axis(("axes",), key, value) for key, value in raw_axes.items()}
    for number, part in enumerate(own_parts or [{}], 1):
        refused = _other_heads({**given, **part}, given.get("input", ()))
        if refused is not None:
            table = ("parts", str(number)) if refused.axis in part else ("axes",)
            raise reader.error(
                table,
                refused.axis,
                f"has {refused.value}, but the attention of input {refused.layer} has {refused.fixed}",
                f"leave out {refused.axis}, or measure other inputs in a suite of their own",
            )
    axes = {**defaults, **given}
    together, own_parts = several.completed(axes, own_parts)
    settings = reader.table(data, "settings")
    reader.only(settings, ("settings",), SETTINGS)
    if trains:
        settings = {"case_timeout": f"{TRAINING_TIMEOUT:g}s", **settings}
    return Suite(
        name=_sanitized_name(data.get("name", Path(where).stem)),
        description=data.get("description", ""),
        axes=together,
        settings=RunSettings(**dict(reader.settings(settings))),
        gate=reader.gate(reader.table(data, "gate")),
        parts=own_parts,
    )


def _sanitized_name(name: str) -> str:
    """Return a name that every store, terminal and page accepts, since file names may contain any bytes."""
    return _one_line(name)[:MAX_NAME].strip() or "unnamed"


def _one_line(text: str) -> str:
    return " ".join(sanitize_text(text).split())


def override(suite: Suite, axes: AxisValues, **settings: Any) -> Suite:
    """Return the suite with these axes, and these fields of `RunSettings`, in place of its own.

    `ratio` and `kept` both say how much a method keeps, so one of them replaces both of the suite's. Only the default
    numbers of `kept` leave the ratios to the methods that have no such number. A task brings the shapes of its own with
    it, in place of those of a suite that trains nothing, and the time that a training takes. A model brings its heads.
    The axes of its parts are replaced alike (`spec.parts`).

    Raises:
        UsageError: for other heads than those of the model that an input is a layer of.
    """
    given = axes.given
    refused = _other_heads(given, given.get("input", suite.axes["input"]))
    if refused is not None:
        flag = f"--{refused.axis.replace('_', '-')}"
        raise UsageError(
            f"{flag} {refused.value}: the attention of input {refused.layer} has {flag} {refused.fixed}",
            hint=f"leave out {flag}, or run the command once for {refused.layer} and once for other inputs",
        )
    if "model" in given and "scope" not in given:
        given["scope"] = ["model"]
    dropped: dict[str, Sequence[Any]] = {}
    own = suite.settings
    if "model" in given:
        dropped |= MODEL_AXES
    if "task" in given and not suite.axes["task"]:
        dropped |= TASK_AXES
        own = replace(own, case_timeout=max(own.case_timeout, TRAINING_TIMEOUT))
    replaced = {**dropped, **several.without_compression(given), **given}
    return replace(
        suite,
        axes={**suite.axes, **replaced},
        parts=several.overridden(suite.parts, replaced),
        settings=replace(own, **settings),
    )


class _OtherHeads(NamedTuple):
    """A value of an axis that an input which is a layer of a model does not have: it has its own heads."""

    axis: str
    value: int
    layer: str
    fixed: int


def _other_heads(given: several.Axes, inputs: Sequence[str | None]) -> _OtherHeads | None:
    """Return the first value of the given axes that contradicts an input, or None."""
    layer = next((name for name in inputs if name is not None and layer_of(name) is not None), None)
    if layer is None:
        return None
    fixed = {"heads": LAYER_HEADS, "head_dim": LAYER_HEAD_DIM}
    others = ((axis, value) for axis in fixed for value in given.get(axis, ()) if value != fixed[axis])
    return next((_OtherHeads(axis, value, layer, fixed[axis]) for axis, value in others), None)


class _Reader:
    """Checks the tables of one file and finds the line of each key."""

    def __init__(self, text: str, where: str) -> None:
        self.lines = text.splitlines()
        self.where = where

    def line(self, table: tuple[str, ...], key: str) -> int | None:
        """Return the line of `key` in `[table]` or of its header; None for TOML spellings that this does not parse.

        The tables of an array are `(name, "1")`, `(name, "2")` and so on. The line of its name is that of the first.
        """
        current: tuple[str, ...] = ()
        so_far: Counter[tuple[str, ...]] = Counter()
        for number, line in enumerate(self.lines, 1):
            header = re.match(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]", line)
            if header:
                name = current = tuple(word.strip().strip("\"'") for word in header[2].split("."))
                if header[1] == "[[":
                    so_far[name] += 1
                    current = (*name, str(so_far[name]))
                if (*table, key) in (name, current):
                    return number
            elif current == table and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
                return number
        return None

    def error(self, table: tuple[str, ...], key: str, problem: str, hint: str | None = None) -> UsageError:
        number = self.line(table, key)
        place = f"{self.where}, line {number}" if number else self.where
        return UsageError(f"suite {place}: {'.'.join((*table, key))} {problem}", hint=hint)

    def only(self, data: Mapping[str, Any], table: tuple[str, ...], known: Sequence[str]) -> None:
        for key in data:
            if key not in known:
                guess = catalog.nearest(key, known)
                hint = f"did you mean {guess!r}?" if guess else f"known here: {', '.join(known)}"
                raise self.error(table, key, "is not a key of a suite", hint)

    def table(self, data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        value = data.get(key, {})
        if not isinstance(value, dict):
            raise self.error((), key, "must be a table", f"write [{key}] once, before its keys")
        return value

    def parts(self, data: Mapping[str, Any]) -> list[several.Axes]:
        """Return the axes of `[[parts]]`, each checked like `[axes]`."""
        value = data.get("parts", [])
        hint = "write [[parts]] before the axes of each"
        if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
            raise self.error((), "parts", "must be tables with axes", hint)
        found: list[several.Axes] = []
        for number, part in enumerate(value, 1):
            if not part:
                raise self.error(("parts",), str(number), "has no axes", hint)
            table = ("parts", str(number))
            self.only(part, table, several.OF_A_PART)
            found.append({key: self.axis(table, key, given) for key, given in part.items()})
        return found

    def axis(self, table: tuple[str, ...], key: str, value: Any) -> list[Any]:
        items = value if isinstance(value, list) else [value]
        numeric = key in NUMERIC_AXES
        for item in items:
            good = isinstance(item, str) or (numeric and isinstance(item, int | float) and not isinstance(item, bool))
            if not good:
                raise self.error(
                    table, key, f"contains {item!r}; it accepts {'numbers and ranges' if numeric else 'names'} only"
                )
        try:
            if numeric:
                return list(parse_values(",".join(map(str, items)), NUMERIC_AXES[key]))
            return words(key, items)
        except UsageError as bad:
            raise self.error(table, key, f"({bad.message})", bad.hint) from None

    def settings(self, data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        table = ("settings",)
        for key, value in data.items():
            if key in _AMOUNTS:
                try:
                    yield key, _AMOUNTS[key](str(value), key)
                except UsageError as bad:
                    raise self.error(table, key, f"({bad.message})", bad.hint) from None
            elif key in _MOST:
                least, most = _LEAST.get(key, 1), _MOST[key]
                if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                    raise self.error(table, key, f"must be a whole number from {least} to {most}")
                yield key, value
            elif key in _WORDS:
                if value not in _WORDS[key]:
                    raise self.error(table, key, f"must be one of {', '.join(_WORDS[key])}")
                yield key, value
            elif key == "energy":
                if not isinstance(value, bool):
                    raise self.error(table, key, "must be true or false")
                yield key, value
            elif key == "env":
                if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
                    raise self.error(table, key, "must be a table of strings")
                for name, text in value.items():
                    if not name or "=" in name or "\0" in name + text:
                        raise self.error(table, key, f"has an invalid environment variable: {name!r} = {text!r}")
                yield key, dict(value)

    def gate(self, data: Mapping[str, Any]) -> GateRules:
        """Return the rules of `[gate]`, checked like the flags of `dctbench check`."""
        self.only(data, ("gate",), GATE_KEYS)
        found = GateRules()
        for key, value in data.items():
            items = value if isinstance(value, list) else [value]
            if not items or not all(
                isinstance(item, str | int | float) and not isinstance(item, bool) for item in items
            ):
                raise self.error(("gate",), key, f"must be a string or a number, not {value!r}")
            try:
                found = GateRules.parse({key: [str(item) for item in items]}).over(found)
            except UsageError as bad:
                raise self.error(("gate",), key, f"({bad.message})", bad.hint) from None
        return found
