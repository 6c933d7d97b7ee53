"""Read TOML that others may have written: every problem is one sentence."""

from __future__ import annotations

import tomllib
from typing import Any

from dctbench.text.untrusted import InvalidDataError

_MOST = 1 << 63
"""TOML asks for integers of 64 bits (toml.io, 1.0.0, Integer), but Python reads longer ones."""


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Raises:
        InvalidDataError: for text that is not TOML, is nested too deeply, or has a number of thousands of digits.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InvalidDataError("nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidDataError(str(error).splitlines()[0]) from None
    except ValueError:  # Python converts no longer ones
        raise InvalidDataError("a number of thousands of digits") from None


def check_integers(value: object) -> None:
    """Check that a value of a TOML text holds only integers that TOML knows; longer ones could not even be shown.

    Raises:
        InvalidDataError: for an integer outside 64 bits.
    """
    level = [value]
    while level:
        if any(isinstance(one, int) and not -_MOST <= one < _MOST for one in level):
            raise InvalidDataError("an integer that does not fit into 64 bits")
        below: list[object] = []
        for one in level:
            if isinstance(one, dict):
                below += one.values()
            elif isinstance(one, list):
                below += one
        level = below
