"""How many examples a property test takes at length."""

from __future__ import annotations

from hypothesis import settings

_SHARE_OF_THE_SAME = 0.4


def at_length(examples: int) -> settings:
    """Return the settings of a slow property test with so many random examples.

    Where examples are the same at each run, as in CI, most of them have passed before: two fifths are enough there. The
    nightly job and every other place draw new ones, and all of them.
    """
    share = _SHARE_OF_THE_SAME if settings().derandomize else 1.0
    return settings(max_examples=round(examples * share))
