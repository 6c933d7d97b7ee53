"""Engines that run a model exported from torch. Each is a class that loads a model and runs it with bound inputs.

To add one, write such a class and one line in `dctbench.catalog.engines`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor


class Session(Protocol):
    """A model that is loaded. The constructor loads it.

    Raises:
        UnsupportedError: by the constructor, for a model that the engine refuses, in its own words.
    """

    def __init__(self, path: Path, threads: int) -> None:
        """Load the model file `path` for runs with that many threads."""

    def bind(self, arguments: Sequence[Tensor], output: Tensor) -> Any:
        """Return what `run` takes to read these inputs without copying them.

        The output may be written to `output`, or to memory of the engine's own.

        Raises:
            UnsupportedError: for an engine that finds other shapes in the model.
        """

    def run(self, bound: Any) -> Tensor:
        """Run the model once, by the engine's own calls and nothing else, and return the output where it is.

        The next run may overwrite it.
        """
