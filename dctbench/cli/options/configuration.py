"""Defaults of flags from `[tool.dctbench]` in the current folder's pyproject.toml.

    [tool.dctbench]             for every command that has the flag
    store = "results.sqlite"

    [tool.dctbench.run]         for one command
    seq = ["512..2048", 6000]

The command line and the environment win over it. It is checked as strictly as a suite file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from dctbench.catalog import nearest
from dctbench.errors import UsageError

FILE = "pyproject.toml"
_MAX_BYTES = 1 << 20
_NOT_DEFAULTS = ("help", "version")
_IMPLEMENTATIONS = ("impl", "base_impl", "reference")
_PROGRAMS = ("base_python",)
_ONLY_TYPED = "code is loaded only when the command line asks for it"
Commands = Mapping[str, Callable[[], click.Command | None]]
Options = Mapping[str, click.Option]


def defaults(commands: Commands) -> dict[str, dict[str, Any]]:
    """Values by command and parameter, as click's `default_map` takes them; empty where there is no such table.

    Args:
        commands: by name, how to come by a command; they are looked at only when there is a table to check.

    Raises:
        UsageError: for a table with an unknown key or a value of the wrong kind, in one sentence.
    """
    table = _table()
    if not table:
        return {}
    options = {name: _options(find()) for name, find in commands.items()}
    known = sorted({flag for those in options.values() for flag in those})
    found: dict[str, dict[str, Any]] = {name: {} for name in options}
    for key, value in table.items():
        if key in options and isinstance(value, dict):
            continue
        if key not in known:
            raise _unknown(key, "", [*known, *options])
        for name, those in options.items():
            if key in those:
                found[name][_parameter(those[key])] = _value(those[key], value, key)
    for name, those in options.items():
        own = table.get(name, {})
        for key, value in own.items() if isinstance(own, dict) else ():
            if key not in those:
                raise _unknown(key, f".{name}", sorted(those))
            found[name][_parameter(those[key])] = _value(those[key], value, f"{name}.{key}")
    return found


def _table() -> Mapping[str, Any]:
    """`[tool.dctbench]`; a pyproject.toml without one is none of our business, broken or not."""
    try:
        if not Path(FILE).is_file():  # a pipe of that name would be waited for, by every command
            return {}
        with Path(FILE).open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError:
        return {}
    if b"dctbench" not in data:
        return {}
    try:
        if len(data) > _MAX_BYTES:
            raise UsageError(f"{FILE}: larger than {_MAX_BYTES} bytes", hint="keep it to what tools need")
        tools = tomllib.loads(data.decode("utf-8")).get("tool")
    except (ValueError, RecursionError) as error:
        if isinstance(error, UsageError):
            raise
        problem = str(error).splitlines()[0] if isinstance(error, ValueError) else "nested too deeply"
        hint = "its [tool.dctbench] gives flags their defaults"
        raise UsageError(f"{FILE} is not TOML: {problem}", hint=hint) from None
    table = tools.get("dctbench") if isinstance(tools, dict) else None
    if table is not None and not isinstance(table, dict):
        raise UsageError(f"{FILE}: tool.dctbench must be a table", hint="write [tool.dctbench]")
    return table or {}


def _options(command: click.Command | None) -> Options:
    """A command's options by the name of their long flag, dashes or underscores alike."""
    found: dict[str, click.Option] = {}
    for parameter in command.params if command else ():
        if isinstance(parameter, click.Option) and parameter.name not in _NOT_DEFAULTS:
            for flag in parameter.opts:
                if flag.startswith("--"):
                    found[flag[2:]] = parameter
                    found[flag[2:].replace("-", "_")] = parameter
    return found


def _parameter(option: click.Option) -> str:
    assert option.name is not None
    return option.name


def _value(option: click.Option, value: Any, key: str) -> Any:
    """The value as click takes it: lists are joined by commas for a flag that is given once."""
    items = value if isinstance(value, list) else [value]
    if option.is_flag:
        if not isinstance(value, bool):
            raise _bad(key, f"must be true or false, not {value!r}")
        return value
    if not items or not all(isinstance(item, str | int | float) and not isinstance(item, bool) for item in items):
        raise _bad(key, f"must be a text, a number or a list of them, not {value!r}")
    if option.name in _IMPLEMENTATIONS and any(":" in str(item) for item in items):
        raise _bad(key, f"may not name module:Class: {_ONLY_TYPED}")
    if option.name in _PROGRAMS:
        raise _bad(key, f"may not stand there: {_ONLY_TYPED}")
    texts = [str(item) for item in items]
    if any("\0" in text for text in texts):
        raise _bad(key, "holds a null character, which no path and no name has")
    try:
        for text in texts:
            option.type.convert(text, option, None)
    except click.UsageError as error:
        raise _bad(key, error.message) from None
    return texts if option.multiple else ",".join(texts)


def _unknown(key: str, where: str, known: list[str]) -> UsageError:
    guess = nearest(key, known)
    hint = f"did you mean {guess!r}?" if guess else f"known there: {', '.join(k for k in known if '_' not in k)}"
    return UsageError(f"{FILE}: {key!r} in [tool.dctbench{where}] is no flag or command", hint=hint)


def _bad(key: str, problem: str) -> UsageError:
    shortened = problem if len(problem) <= 200 else problem[:197] + "..."
    return UsageError(f"{FILE}, [tool.dctbench]: {key} {' '.join(shortened.split())}", hint="see --help of the command")
