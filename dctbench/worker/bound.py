"""A module whose inputs are bound before a call, so that nothing but the call itself is timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn


class Bound(nn.Module):
    """A module that is timed by `run(bind(arguments))`, of which `bind` is not timed. Called, it does the same at once.

    It is a class and no protocol: the check of a protocol looks up every one of its members, which takes longer than
    the rest of a call. `run` is an attribute, so that it can be the engine's function itself.
    """

    run: Callable[[Any], Tensor]
    """Runs the call on what `bind` returned, and returns the output."""

    def bind(self, arguments: Sequence[Tensor]) -> Any:
        """Return what `run` takes."""
        raise NotImplementedError
