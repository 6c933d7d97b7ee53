"""Checks of where results go and how they are shown: the disk, the store, the terminal."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dctbench.doctor.finding import Finding, failure, ok, warning
from dctbench.errors import DctbenchError, StoreError
from dctbench.machine.system_files import read_text
from dctbench.store import MissingError, is_url, masked, open_store, try_folder
from dctbench.text.format import format_size, pluralize

if TYPE_CHECKING:
    from dctbench.store import RunState

STORE_FAILS = StoreError.exit_code
LITTLE_SPACE = 1 << 30
NO_SPACE = 16 << 20
NARROW = 80
_ANOTHER = "choose another store with --store"
REMOTE = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "lustre", "beegfs", "afs")


def findings(location: str) -> list[Finding]:
    """Return the findings of every check of the store; a server is not asked about its disk."""
    return [server(location)] if is_url(location) else [disk(location), store(location)]


def disk(location: str) -> Finding:
    """Check the free space for the store, and whether SQLite's locks work on its file system."""
    folder = _nearest_folder(location)
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return failure("disk", f"{folder}: {error.strerror}", "name another store with --store", STORE_FAILS)
    kind = file_system(folder, read_text("/proc/mounts") or "")
    found = f"{format_size(free)} free in {folder}" + (f" ({kind})" if kind else "")
    if free < NO_SPACE:
        return failure("disk", found, "free some space, or name another store with --store", STORE_FAILS)
    if free < LITTLE_SPACE:
        return warning("disk", found, "free some space: 10,000 results take about 50 MiB, a report 7 MiB")
    if kind in REMOTE:
        return warning("disk", found, "SQLite's locks may fail on a network file system: use --store with a local disk")
    return ok("disk", found)


def store(location: str) -> Finding:
    """Check whether results can be read and written, for a store that does not exist by creating one for a moment."""
    path = Path(location)
    try:
        if not path.exists():
            return _not_yet(path)
        if not os.access(path, os.W_OK) or not os.access(path.resolve().parent, os.W_OK):  # the journal lies beside it
            return _unusable(f"{location} cannot be written", f"{_ANOTHER}, or change its permissions")
        with open_store(location) as opened:
            runs = opened.runs()
    except StoreError as error:
        return _unusable(error.message, *([error.hint] if error.hint else []))
    except OSError as error:
        return _unusable(f"{location}: {error.strerror}")
    size = format_size(path.stat().st_size)
    return ok("store", f"{location}: {_held(runs)}, {size}; rollback journal, SQLite {sqlite3.sqlite_version}")


def _not_yet(path: Path) -> Finding:
    """Check whether a store that does not exist can be created.

    Raises:
        StoreError, OSError: when it cannot.
    """
    if path.is_symlink():
        return _unusable(f"{path} is a link to {os.readlink(path)}, which does not exist")
    there = next(one for one in path.absolute().parents if os.path.lexists(one))
    if not os.path.isdir(there):
        return _unusable(f"{path}: {there} is not a folder")
    try_folder(there)
    return ok("store", f"{path}: none yet, the first run creates it; SQLite {sqlite3.sqlite_version}")


def _unusable(found: str, remedy: str = _ANOTHER) -> Finding:
    return failure("store", found, remedy, STORE_FAILS)


def server(location: str) -> Finding:
    """Check whether the database at a URL responds and has a store; nothing is created, passwords are not shown."""
    try:
        with open_store(location) as opened:
            return ok("store", f"{opened.name}: {_held(opened.runs())}")
    except MissingError:
        return ok("store", f"{masked(location)}: none yet, the first run creates it; the server responds")
    except DctbenchError as error:
        return failure("store", error.message, error.hint or "choose another store with --store", error.exit_code)


def _held(runs: Sequence[RunState]) -> str:
    unfinished = sum(state.unfinished for state in runs)
    return pluralize(len(runs), "run") + (f", {unfinished} unfinished" if unfinished else "")


def file_system(folder: Path, mounts: str) -> str | None:
    """Return the type of the file system of a folder, from the text of /proc/mounts."""
    best, kind = "", None
    for line in mounts.splitlines():
        words = line.split()
        if len(words) < 3:
            continue
        point = words[1].replace("\\040", " ")
        inside = point == "/" or str(folder) == point or str(folder).startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, words[2]
    return kind


def terminal(stream: IO[str], variables: Mapping[str, str]) -> Finding:
    """Check how tables and symbols will be shown."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower()
    unicode = encoding.replace("-", "") == "utf8"
    if variables.get("NO_COLOR"):
        colour = "no colour (NO_COLOR)"
    elif variables.get("FORCE_COLOR"):
        colour = "colour (FORCE_COLOR)"
    else:
        colour = "colour" if stream.isatty() and variables.get("TERM") != "dumb" else "no colour"
    columns = shutil.get_terminal_size((100, 24)).columns
    where = f"{columns} columns" if stream.isatty() else "none, output goes to a file or pipe as plain lines"
    found = f"{where}, {colour}, {encoding}"
    if not unicode:
        return warning("terminal", found, "symbols such as ▲ and µ need UTF-8: export LC_ALL=C.UTF-8 or PYTHONUTF8=1")
    if stream.isatty() and columns < NARROW:
        return warning("terminal", found, f"widen it to {NARROW} columns: `run` drops columns that do not fit")
    return ok("terminal", found)


def _nearest_folder(location: str) -> Path:
    """Return the folder of the store, or the nearest parent that exists."""
    folder = Path(location).absolute().parent
    while not os.path.isdir(folder):  # Path.is_dir raises for a folder without permission
        folder = folder.parent
    return folder
