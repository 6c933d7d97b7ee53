"""Names of the catalog: what a word selects, which name is meant, and what installed packages add."""

from __future__ import annotations

import difflib
import fnmatch
import importlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any

from dctbench.errors import AbsentError, NotLoadedError, UsageError, text_of

TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
"""`package.module:Name`."""
_NAME = re.compile(r"[A-Za-z][\w.-]{0,59}", re.ASCII)
_PLURALS = {"attention": "implementations", "metrics": "metrics", "tasks": "tasks"}


def load_target(target: str) -> Any:
    """Return the object that `package.module:Name` names.

    Raises:
        AbsentError: when there is no such module, or it has no such name.
        NotLoadedError: when the import fails in any other way, with the reason in one sentence.
    """
    module, _, attribute = target.partition(":")
    try:
        loaded = importlib.import_module(module)
    except (Exception, SystemExit) as error:
        missing = isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")
        raise (AbsentError if missing else NotLoadedError)(
            f"{target}: importing {module} failed: {type(error).__name__}: {text_of(error)}",
            hint="modules are found on PYTHONPATH and among installed packages, not in the current folder",
        ) from error
    try:
        return getattr(loaded, attribute)
    except AttributeError:
        raise AbsentError(f"{target}: {module} has no {attribute!r}") from None


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that is closest to `word`, or None."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)), None)


def unknown(kind: str, word: str, known: Iterable[str]) -> UsageError:
    """Return the error for an unknown name, with the nearest known name and all others."""
    names = sorted(known)
    guess = nearest(word, names)
    return UsageError(
        f"unknown {kind} {word!r}" + (f"; did you mean {guess!r}?" if guess else ""),
        hint=f"known: {', '.join(names)}" if names else None,
    )


def added(table: str, known: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Return the name, target and package of each entry that packages add to a table by entry points `dctbench.TABLE`.

    Raises:
        UsageError: for a name that is taken, or that cannot be used in a command or a column.
    """
    taken = dict(known)
    for point in metadata.entry_points(group=f"dctbench.{table}"):
        package = point.dist.name if point.dist else point.value
        if point.name in taken:
            raise UsageError(
                f"two {_PLURALS[table]} are called {point.name!r}: {taken[point.name]} and {point.value} of {package}",
                hint=f"uninstall or rename one of them; {package} declares its name in its entry points",
            )
        if not _NAME.fullmatch(point.name):
            raise UsageError(
                f"{package} adds one of the {_PLURALS[table]} as {point.name!r}",
                hint="a name is made of at most 60 letters, digits and . _ -, and starts with a letter",
            )
        taken[point.name] = f"{point.value} of {package}"
        yield point.name, point.value, package


def select(kind: str, words: Sequence[str], known: Iterable[str]) -> list[str]:
    """Return the names that a list of words and globs selects, each once, in the order given.

    Raises:
        UsageError: for an unknown word and for a glob that matches nothing.
    """
    names = list(known)
    chosen: dict[str, None] = {}
    for word in words:
        found = fnmatch.filter(names, word) if any(c in word for c in "*?[") else [n for n in names if n == word]
        if not found:
            raise unknown(kind, word, names)
        chosen.update(dict.fromkeys(found))
    return list(chosen)
