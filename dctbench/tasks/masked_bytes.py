"""Hidden bytes of source text: the objective of `masked-photo` on rough material, the standard library's sources."""

from __future__ import annotations

import hashlib
import sysconfig
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dctbench.catalog.tasks import stated
from dctbench.errors import UnavailableError
from dctbench.tasks import Examples, Split, Task, TaskFacts
from dctbench.tasks.masking import masked

MASK = 256
OWN_TO_A_BUILD = ("_sysconfigdata", "sitecustomize", "usercustomize")
"""Files that begin so differ between installations of one version."""
LEAST_BYTES = 1 << 16
"""Of a split: a library without its sources cannot be learned from."""


class MaskedBytes(Task):
    """Pieces of Python's own sources, of which 15% of the bytes are hidden.

    A file belongs to one split, by a hash of its name. Other versions of Python have other sources, so accuracies
    compare within one version.
    """

    facts: ClassVar[TaskFacts] = stated("masked-bytes")

    def __init__(self, seq_len: int | None = None, variants: tuple[str, ...] = ()) -> None:
        super().__init__(seq_len, variants)
        sources()

    def draw(self, rng: np.random.Generator, count: int, split: Split) -> Examples:
        """Return bytes (count, n), hidden ones as 256, and the hidden bytes."""
        text = sources()[split]
        starts = rng.integers(len(text) - self.seq_len + 1, size=count)
        pieces = text[starts[:, None] + np.arange(self.seq_len)].astype(np.int64)
        return masked(rng, pieces, MASK)


def split_of(name: str) -> Split:
    """Return the split of a file: 80% train, 10% validation, 10% test, by a hash of its name."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 10
    return "test" if number == 0 else "validation" if number == 1 else "train"


@cache
def sources() -> dict[Split, NDArray[np.uint8]]:
    """Return the text of each split, files in the order of their names.

    Raises:
        UnavailableError: when this Python has too few sources.
    """
    folder = Path(sysconfig.get_paths()["stdlib"])
    files = sorted(path for path in folder.glob("*.py") if path.is_file() and not path.name.startswith(OWN_TO_A_BUILD))
    files += sorted(path for name in ("asyncio", "email", "http", "json", "logging", "unittest", "xml", "importlib")
                    for path in (folder / name).rglob("*.py"))  # fmt: skip
    found: dict[Split, list[bytes]] = {"train": [], "validation": [], "test": []}
    for path in files:
        found[split_of(path.relative_to(folder).as_posix())].append(path.read_bytes())
    texts: dict[Split, NDArray[np.uint8]] = {
        split: np.frombuffer(b"".join(parts), np.uint8) for split, parts in found.items()
    }
    if min(map(len, texts.values())) < LEAST_BYTES:
        raise UnavailableError(
            f"masked-bytes learns from Python's own sources, of which {folder} has too few",
            hint="use a Python that comes with its sources",
        )
    return texts
