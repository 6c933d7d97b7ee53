"""Defaults of flags from `[tool.dctbench]` in the current folder's pyproject.toml.

    [tool.dctbench]             for every command that has the flag and accepts the value
    format = "json"

    [tool.dctbench.run]         for one command
    seq = ["512..2048", 6000]
    store = "results.sqlite"

    [tool.dctbench.store]       for a group: every command of it that has the flag
    store = "results.sqlite"
    keep = 20

In TOML one key is either a text or a table. So `store` cannot stand in `[tool.dctbench]` beside the table of the group
`store`: it is set for each command, as above.

The command line and the environment win over it. It is checked as strictly as a suite file. The folder may be a
stranger's, so the table loads no code, names no server, answers no question before something is lost, and lets nothing
be written outside the folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from dctbench import catalog
from dctbench.errors import UsageError
from dctbench.store import is_url
from dctbench.text.toml import check_integers, parse_toml
from dctbench.text.untrusted import InvalidDataError

FILE = "pyproject.toml"
_MAX_BYTES = 1 << 20
_NOT_DEFAULTS = ("help", "version")
_CODE = ("impl", "base_impl", "reference", "task", "model")
"""Options that name code if their value is `module:Class`, or `module:function` of a model."""
_PROGRAMS = ("base_python",)
_CONSENTS = ("force", "yes", "unfinished")
"""Options with which files or runs are lost. Only the user can agree to that, not the folder."""
_UNMEASURED = ("dry_run",)
"""Options with which nothing is measured. As a default, they would end every gate with exit code 0."""
_SERVERS = ("address",)
_WRITTEN = ("output", "junit", "store", "into")
"""Options that name what a command writes. A folder may redirect it within itself only."""
_ONLY_TYPED = "code is loaded only when the command line asks for it"
CommandPath = tuple[str, ...]
"""What calls a command: `("run",)`, `("store", "prune")`."""
Options = Mapping[str, click.Option]


class _RejectedError(UsageError):
    """The flag of one command does not accept a value. That of another command may."""


def defaults(group: click.Group, ctx: click.Context) -> dict[str, Any]:
    """Return the values by command and parameter, as click's `default_map` takes them.

    Args:
        group: the group whose commands the table sets; they are imported only when there is a table.
        ctx: the context of that group.

    Raises:
        UsageError: for a table with an unknown key or a value of the wrong kind, in one sentence.
    """
    table = _table()
    if not table:
        return {}
    options = dict(_commands(group, ctx))
    values: dict[CommandPath, dict[str, Any]] = {words: {} for words in options}
    _apply(table, (), options, values)
    nested: dict[str, Any] = {}
    for words, found in values.items():
        place = nested
        for word in words:
            place = place.setdefault(word, {})
        place.update(found)
    return nested


def _commands(group: click.Group, ctx: click.Context, above: CommandPath = ()) -> Iterator[tuple[CommandPath, Options]]:
    """Every command below the group, those of nested groups included, with its options."""
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            yield from _commands(command, ctx, (*above, name))
        else:
            yield (*above, name), _options(command)


def _apply(
    table: Mapping[str, Any],
    place: CommandPath,
    options: Mapping[CommandPath, Options],
    values: Mapping[CommandPath, dict[str, Any]],
) -> None:
    """Set the values of a table for all commands below its place that accept them; those of a table within it win.

    Raises:
        UsageError: for a value that no command accepts.
    """
    below = {words: known for words, known in options.items() if words[: len(place)] == place}
    names = list(dict.fromkeys(words[len(place)] for words in below if len(words) > len(place)))
    flags = sorted({flag for known in below.values() for flag in known})
    inner = {key: value for key, value in table.items() if key in names and isinstance(value, dict)}
    for key, value in table.items():
        if key in inner:
            continue
        if key not in flags:
            raise _unknown(key, place, [*flags, *names])
        rejected: list[_RejectedError] = []
        takers = {words: known[key] for words, known in below.items() if key in known}
        for words, option in takers.items():
            try:
                values[words][_parameter(option)] = _value(option, value, ".".join([*place, key]))
            except _RejectedError as error:
                rejected.append(error)
        if len(rejected) == len(takers):  # else it is a default of the other commands
            raise rejected[0]
    for name, nested in inner.items():
        _apply(nested, (*place, name), options, values)


def _table() -> Mapping[str, Any]:
    """Return `[tool.dctbench]`. A pyproject.toml without one is ignored, even when it is broken."""
    try:
        if not Path(FILE).is_file():  # every command would wait for a pipe of that name
            return {}
        with Path(FILE).open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError:
        return {}
    if b"dctbench" not in data:
        return {}
    if len(data) > _MAX_BYTES:
        raise UsageError(f"{FILE}: larger than {_MAX_BYTES} bytes", hint="keep it to what tools need")
    try:
        tools = parse_toml(data.decode("utf-8")).get("tool")
        table = tools.get("dctbench") if isinstance(tools, dict) else None
        check_integers(table)
    except (InvalidDataError, UnicodeDecodeError) as error:
        problem = str(error) if isinstance(error, InvalidDataError) else "not UTF-8 text"
        hint = "its [tool.dctbench] gives flags their defaults"
        if b"tool.dctbench.store" in data:  # `store` beside it is the likely mistake
            hint += (
                "; with a table [tool.dctbench.store], set `store` for each command: [tool.dctbench.run] store = ..."
            )
        raise UsageError(f"{FILE} cannot be read: {problem}", hint=hint) from None
    if table is not None and not isinstance(table, dict):
        raise UsageError(f"{FILE}: tool.dctbench must be a table", hint="write [tool.dctbench]")
    return table or {}


def _options(command: click.Command | None) -> Options:
    """Return a command's options by the name of their long flag, with dashes and with underscores."""
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
    """Return the value as click takes it: a list is joined by commas for a flag that is given once."""
    items = value if isinstance(value, list) else [value]
    if option.name in _CONSENTS:
        raise _invalid(key, "cannot be set there", f"give --{option.name} on the command line each time")
    if option.name in _UNMEASURED:
        raise _invalid(key, "cannot be set there", "give --dry-run on the command line: a check with it never fails")
    if option.is_flag:
        if not isinstance(value, bool):
            raise _invalid(key, f"must be true or false, not {value!r}")
        return value
    if not items or not all(isinstance(item, str | int | float) and not isinstance(item, bool) for item in items):
        raise _invalid(key, f"must be a string, a number or a list of these, not {value!r}")
    if option.name in _CODE and any(_names_code(option, str(item)) for item in items):
        named = "module:function" if option.name == "model" else "module:Class"
        raise _invalid(key, f"must not name {named}: {_ONLY_TYPED}")
    if option.name in _PROGRAMS:
        raise _invalid(key, f"cannot be set there: {_ONLY_TYPED}")
    if option.name in _SERVERS:
        raise _invalid(key, "cannot be set there", f"name a cluster on the command line, with --{option.name}")
    texts = [str(item) for item in items]
    if not all(text.isprintable() for text in texts):  # a path is printed as it is
        raise _invalid(key, "contains a character that cannot be printed")
    if option.name in _WRITTEN:
        for text in texts:
            _check_place(key, text)
    try:
        for text in texts:
            option.type.convert(text, option, None)
    except click.UsageError as error:
        wrong = _invalid(key, error.message)
        raise _RejectedError(wrong.message, hint=wrong.hint) from None
    return texts if option.multiple else ",".join(texts)


def _names_code(option: click.Option, text: str) -> bool:
    """Whether a value names a module. Of a model, the weights of `hf:` are read, never run."""
    words = [word.strip() for word in text.split(",")]
    return any(":" in word and not (option.name == "model" and word.startswith(catalog.HF_PREFIX)) for word in words)


def _check_place(key: str, text: str) -> None:
    """Refuse a place to write to outside the current folder: whoever wrote the file may not be the one who runs us.

    A server could be one that collects passwords, and libpq sends it PGPASSWORD.

    Raises:
        UsageError: for the URL of a store, and for a path that leaves the folder, also through a link.
    """
    if is_url(text):
        raise _invalid(key, "must not be a URL", "name a server with --store or DCTBENCH_STORE")
    try:
        inside = Path(text).resolve().is_relative_to(Path.cwd().resolve())
    except (OSError, RuntimeError):  # RuntimeError before Python 3.13: links in a circle
        inside = False
    if not inside:
        raise _invalid(key, f"leads out of this folder: {text}", "give that place on the command line")


def _unknown(key: str, place: CommandPath, known: list[str]) -> UsageError:
    guess = catalog.nearest(key, known)
    hint = f"did you mean {guess!r}?" if guess else f"known keys: {', '.join(k for k in known if '_' not in k)}"
    return UsageError(f"{FILE}: {key!r} in [{'.'.join(('tool.dctbench', *place))}] is not a flag or command", hint=hint)


def _invalid(key: str, problem: str, hint: str = "see --help of the command") -> UsageError:
    shortened = problem if len(problem) <= 200 else problem[:197] + "..."
    return UsageError(f"{FILE}, [tool.dctbench]: {key} {' '.join(shortened.split())}", hint=hint)
