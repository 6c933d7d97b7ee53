"""Where a store is: a path of an SQLite file, or the URL of a PostgreSQL database, whose password nobody gets to see.

Only the standard library is imported, so that a command line can be stored with its passwords masked before anything
is opened.
"""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(?i)(?<=://)([^\s:/?#]*):\S*(?=@)")
_PARAMETER = re.compile(r"(?i)([?&](?:password|sslpassword|passwd)=)[^&\s]*")
MASK = "***"


def is_url(location: str) -> bool:
    """Whether a location is a URL; everything else is a path."""
    return "://" in location


def masked(text: str) -> str:
    """A text with every URL's password as ***, up to the last @ of its word: rather too much than too little."""
    return _PARAMETER.sub(rf"\1{MASK}", _PASSWORD.sub(rf"\1:{MASK}", text))
