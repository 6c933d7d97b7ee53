"""Small files in which the kernel reports facts."""

from __future__ import annotations

from pathlib import Path


def read_text(path: str | Path) -> str | None:
    """Return the stripped text of a small system file, or None if it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except (OSError, ValueError):  # ValueError: a name from another file that no file can have
        return None


def read_counts(path: str | Path) -> dict[str, int]:
    """Return the lines of a name and a number, by name; empty if the file cannot be read."""
    lines = (line.split() for line in (read_text(path) or "").splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) == 2 and words[1].isdecimal()}
