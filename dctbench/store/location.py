"""The location of a store: the path of an SQLite file or the URL of a PostgreSQL database.

This module imports only the standard library, so that the passwords of a command line can be masked before a store is
opened.
"""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(?i)(?<=://)([^\s:/?#]*):\S*(?=@)")
_PARAMETER = re.compile(r"(?i)([?&](?:password|sslpassword|passwd)=)[^&\s]*")
MASK = "***"


def is_url(location: str) -> bool:
    """Return whether a location is a URL. Everything else is a path."""
    return "://" in location


def masked(text: str) -> str:
    """Return a text with the password of every URL replaced by ***.

    Everything up to the last @ of a word is masked: too much is better than too little.
    """
    return _PARAMETER.sub(rf"\1{MASK}", _PASSWORD.sub(rf"\1:{MASK}", text))
