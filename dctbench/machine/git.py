"""The state of the git repository in the current folder, asked without running any program that the folder names.

A repository's configuration can name programs: a file system monitor, filters, hooks, a transport. `git status` would
run them in a folder that someone else prepared. Here they are switched off, and where the answer would depend on one of
them, it is not given.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import Any

_SECONDS = 5.0
_SAFE = (
    "safe.bareRepository=explicit",  # a clone may contain a bare repository among its files
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
)
_VARIABLES = {
    "GIT_OPTIONAL_LOCKS": "0",  # do not write the index, after which a hook would run
    "GIT_NO_LAZY_FETCH": "1",  # a partial clone would fetch through a program of its choice
    "GIT_ALLOW_PROTOCOL": "none",  # the same for git before 2.44
    "GIT_TERMINAL_PROMPT": "0",
}
_NO_FILTER = ("clean=", "smudge=", "process=", "required=false")


def git_state() -> dict[str, Any] | None:
    """Return `commit` and `dirty` of the repository in the current folder, or None outside a repository.

    `dirty` is None where it is not known: only a filter could tell whether a file differs, or git failed.
    """
    found = _git("rev-parse", "HEAD", "--show-toplevel")
    if found is None:
        return None
    commit, _, root = found.removesuffix("\n").partition("\n")
    return {"commit": commit, "dirty": _dirty(root)}


def _dirty(root: str) -> bool | None:
    """Return whether tracked files of the repository were changed, or None; all filters are switched off."""
    keys = _git("config", "--list", "--name-only", "-z")
    if keys is None:
        return None
    filters = {key.rpartition(".")[0] for key in keys.split("\0") if key.startswith("filter.") and key.count(".") > 1}
    if any("=" in name for name in filters):  # `git -c` could not switch it off
        return None
    unfiltered = [f"{name}.{setting}" for name in sorted(filters) for setting in _NO_FILTER]
    # A submodule has a configuration of its own, so git must not look into it.
    changed = _git("-C", root, "status", "--porcelain", "-z", "--untracked-files=no", "--no-renames",
                   "--ignore-submodules=all", config=unfiltered)  # fmt: skip
    if not changed:
        return None if changed is None else False
    paths = "".join(f"{entry[3:]}\0" for entry in changed.split("\0") if entry)
    attributes = _git("-C", root, "check-attr", "-z", "--stdin", "filter", stdin=paths)
    if attributes is None:
        return None
    values = attributes.split("\0")[2::3]  # path, attribute, value
    return True if any(value in ("unspecified", "unset") for value in values) else None


def _git(*words: str, config: Sequence[str] = (), stdin: str = "") -> str | None:
    """Return what a git command prints, or None when it fails."""
    settings = [word for setting in (*_SAFE, *config) for word in ("-c", setting)]
    try:
        done = subprocess.run(
            ["git", "--no-pager", *settings, *words],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=_SECONDS,
            check=False,
            env={**os.environ, **_VARIABLES},
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
