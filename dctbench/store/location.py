"""The location of a store: the path of an SQLite file or the URL of a PostgreSQL database. Its secrets are never shown.

They are found by the parser that the connection uses, not by a pattern. SQLAlchemy is imported only for a text with a
URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

DEFAULT_STORE = ".dctbench/results.sqlite"
"""The store in the current folder."""
MASK = "***"
_URL = re.compile(r"(?:[A-Za-z][\w+.-]*)?://|postgres(?:ql)?(?:\+\w+)?:")
"""Where a URL begins, also one without a scheme or with a slash too few."""
_KEYWORDS = re.compile(r"(?i)\b\w*passw(?:or)?d\s*=\s*")
"""A password in a connection string of libpq, such as `host=db password=secret`."""
_SHOWN = frozenset({"host", "hostaddr", "port", "dbname", "user", "sslmode", "connect_timeout", "application_name",
                    "target_session_attrs", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
                    "gssencmode", "channel_binding", "client_encoding"})  # fmt: skip
"""The parameters of a URL that hold no secret. A parameter that is not known here may hold one."""
_SEARCH_PATH = re.compile(r"-c\s*search_path=[\w,]+")
"""The value of `options` that names the schema of a store."""
_LEAST_SECRET = 4
"""Shorter secrets are removed from a message only as part of the URL: they could be a part of any word."""


def is_url(location: str) -> bool:
    """Return whether a location is a URL. Everything else is a path."""
    return "://" in location


def has_keywords(location: str) -> bool:
    """Return whether a location is a connection string of libpq with a password, which is neither a path nor a URL."""
    return not is_url(location) and _KEYWORDS.search(location) is not None


def masked(text: str) -> str:
    """Return a word of the command line, or a location, with *** in place of every secret of the URL in it.

    The URL reaches to the end of the text. A text without a secret stays as it is. Where it is not clear what is
    secret, more than that is masked.
    """
    found = _URL.search(text)
    if found is None:
        keyword = _KEYWORDS.search(text)
        return text if keyword is None else text[: keyword.end()] + MASK
    before, location = text[: found.start()], text[found.start() :]
    url = _parsed(location)
    if url is None:
        beginning = location[: len(found[0])]
        return before + _without_userinfo(location, beginning) if _may_hold_secrets(location) else text
    if "@" in f"{url.host}{url.database}":  # a part of a password with an @ that is not encoded
        return before + _without_userinfo(location, f"{url.drivername}://")
    if not _secrets(url):
        return text
    shown = url.set(query={key: _shown_values(key, values) for key, values in url.query.items()})
    return before + shown.render_as_string(hide_password=True).replace(quote(MASK, safe=""), MASK)


def conceal(message: str, words: Iterable[str]) -> str:
    """Return a message without the secrets that the words of a command line, or variables, contain.

    Args:
        message: what may quote a word or a part of it.
        words: the words as they were typed.
    """
    for word in words:
        covered = masked(word)
        if covered == word:
            continue
        message = message.replace(word, covered)
        found = _URL.search(word)
        location = word[found.start() :] if found else word
        message = message.replace(location, masked(location))
        url = _parsed(location)
        secrets = _secrets(url) if url is not None else [_KEYWORDS.split(word)[-1].strip("'\" ")]
        forms = {form for secret in secrets for form in (secret, quote(secret, safe=""), quote_plus(secret))}
        for form in sorted(forms, key=len, reverse=True):
            if len(form) >= _LEAST_SECRET:
                message = message.replace(form, MASK)
    return message


def _parsed(location: str) -> URL | None:
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - takes half a second to import
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        return make_url(location)
    except (ArgumentError, ValueError):
        return None


def _may_hold_secrets(location: str) -> bool:
    return "@" in location or "?" in location or _KEYWORDS.search(location) is not None


def _without_userinfo(location: str, beginning: str) -> str:
    """Return a URL that cannot be parsed, without everything before its last @; all of it if it has parameters."""
    if "?" in location or "@" not in location:
        return f"{beginning}{MASK}"
    user = re.split("[:/@]", location[len(beginning) :], maxsplit=1)[0]
    return f"{beginning}{user}:{MASK}@{location.rpartition('@')[2]}"


def _secrets(url: URL) -> list[str]:
    """Return the password and the values of parameters that may be secret, unless they are masked."""
    values = [str(url.password)] if url.password else []
    for key, given in url.query.items():
        for value in (given,) if isinstance(given, str) else given:
            if _is_secret(key, value):
                values.append(value)
    return [value for value in values if value != MASK]


def _is_secret(key: str, value: str) -> bool:
    return key not in _SHOWN and not (key == "options" and _SEARCH_PATH.fullmatch(value))


def _shown_values(key: str, given: str | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(MASK if _is_secret(key, value) else value for value in ((given,) if isinstance(given, str) else given))


def store_flags(store: str) -> list[str]:
    """Return the flags that name a store, by its path or its URL without the password; none for the default one."""
    return [] if store == DEFAULT_STORE else ["--store", store]
