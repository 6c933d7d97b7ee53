"""What a text may hold before it reaches a terminal, a page or a file that others read, and how it counts."""

from __future__ import annotations

from typing import Any


def counted(number: int, noun: str) -> str:
    """`1 regression`, `2 regressions`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def harmless(text: str) -> str:
    """The text without control characters, but for line ends and tabs, and without halves of surrogate pairs.

    An escape sequence in a message could rewrite a terminal; half a pair cannot be written as UTF-8.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else " " if char.isspace() else "" for char in text)


def harmless_values(value: Any) -> Any:
    """Plain data (of JSON's kinds) with every text in it, keys included, made harmless."""
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, dict):
        return {harmless(key): harmless_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [harmless_values(item) for item in value]
    return value
