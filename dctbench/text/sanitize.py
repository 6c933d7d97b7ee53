"""Remove from text what could disturb a terminal, a page or a file that others read."""

from __future__ import annotations

from typing import Any


def sanitize_text(text: str) -> str:
    """Return the text without control characters (line ends and tabs stay) and without unpaired surrogates.

    An escape sequence in a message could rewrite a terminal; an unpaired surrogate cannot be encoded as UTF-8.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else " " if char.isspace() else "" for char in text)


def sanitize_values(value: Any) -> Any:
    """Return JSON-like data with every string in it sanitized, keys included."""
    if isinstance(value, str):
        return sanitize_text(value)
    if isinstance(value, dict):
        return {sanitize_text(key): sanitize_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [sanitize_values(item) for item in value]
    return value
