"""Remove from text what names a person: home folders become `~`, and on request paths and names go, too."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

_END = r"(?=$|[/\\\s:;,'\"<>|()\[\]{}])"
_NAME = r"[^/\\\s:;,'\"<>|()\[\]{}]+"
_START = r"(?<![\w.~-])"
_HOMES = (
    rf"{_START}/(?:home|Users)/{_NAME}",
    # Home folders on a server are mounted below other folders. A URL is not one of those.
    rf"(?<![\w.~/:-])(?:/[\w.-]+)+?/(?:home|Users)/{_NAME}",
    rf"{_START}/root{_END}",
    rf"(?<!\w)[A-Za-z]:\\Users\\{_NAME}",
)
_SYSTEM = rf"/(?:sys|proc)(?![\w.-])|/dev/{_NAME}+(?![/\\])"
"""Paths that are the same on every machine, and name nobody: not what users put below /dev/shm. The second `+` takes
the whole name, since a part of it would not be followed by a slash."""
_PATH = re.compile(rf"(?<![\w.~/-])(?!{_SYSTEM})(?:(?:~|\.{{1,2}}|[A-Za-z]:)[/\\]|/+)(?:{_NAME}[/\\])*({_NAME})?[/\\]?")
_OWNER = re.compile(rf"[/\\](?:home|Users)[/\\]({_NAME})")


def home_as_tilde(text: str) -> str:
    """Return the text with `~` in place of every home folder: this user's, and what is usually one elsewhere."""
    if "/" not in text and "\\" not in text:
        return text
    return _homes(os.environ.get("HOME", "")).sub("~", text)


@lru_cache(maxsize=8)
def _homes(home: str) -> re.Pattern[str]:
    """Return the pattern of home folders, with `home` and the folder that it links to first."""
    own = []
    if home.startswith("/"):
        own = [one for one in dict.fromkeys([home.rstrip("/"), os.path.realpath(home)]) if one.strip("/")]
    return re.compile("|".join([*(f"{_START}{re.escape(one)}{_END}" for one in own), *_HOMES]))


def paths_as_names(text: str) -> str:
    """Return the text with the last part in place of every path, but those of the system, such as /sys/class. Call
    `home_as_tilde` first.
    """
    if "/" not in text and "\\" not in text:
        return text
    return _PATH.sub(lambda found: found[1] or found[0][:1], text)


def users_in(text: str) -> set[str]:
    """Return the names of the users whose home folders the text names."""
    return set(_OWNER.findall(text))


def this_user() -> set[str]:
    """Return the names by which the environment knows the user."""
    found = {os.environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME")}
    return {name for name in {*found, Path(os.environ.get("HOME", "")).name} if name and name != "root"}


def replace_words(text: str, words: Mapping[str, str], shortest: int = 2) -> str:
    """Return the text with other words in place of some; a word within a longer one stays.

    Args:
        text: any text.
        words: what to put in place of each.
        shortest: characters below which a word stays, since it could be anything.
    """
    for word, other in words.items():
        if len(word) >= shortest and word in text:
            text = re.sub(rf"(?<![\w-]){re.escape(word)}(?![\w-])", lambda _, other=other: other, text)  # type: ignore[misc]
    return text
