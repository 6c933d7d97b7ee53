"""The documents as tests see them: their code blocks, and the folder in which their commands run.

A block of commands is run in a fresh copy of that folder. A comment in the line above the block changes that:

    <!-- test: with --seq 64 -->    append these flags, so that a long command takes seconds
    <!-- test: parse -->            do not run: only check that the command line parses them
    <!-- test: compile -->          the same for a block of Python
"""

from __future__ import annotations

import re
import shlex
import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from benchmarks.documents import documents
from dctbench.model import Case, Result
from dctbench.store import open_store
from tests.support import ROOT
from tests.support.made import ENVIRONMENT, RUN, result

_FENCE = re.compile(
    r"^(?: *<!-- test: (?P<directive>[^\n]*?) -->\n)?(?P<indent> *)```(?P<language>\w+)\n(?P<body>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
METHODS = (("sdpa", None), ("dct-x", 4), ("dct-x", 8))
CASES = [Case(name, length, ratio) for length in (512, 1024, 2048, 4096, 8192) for name, ratio in METHODS]
VALUES = {"memory.tensor": ("B", 2.0**20), "memory.state": ("B", 2.0**20), "error.smooth": ("1", 0.1)}


@dataclass(frozen=True)
class Block:
    """One fenced block of a document."""

    document: str
    language: str
    text: str
    directive: str
    number: int

    @property
    def id(self) -> str:
        """`docs/stores.md-3`."""
        return f"{self.document}-{self.number}"

    @property
    def more(self) -> list[str]:
        """The flags to append."""
        return shlex.split(self.directive.removeprefix("with ")) if self.directive.startswith("with ") else []

    @property
    def commands(self) -> list[list[str]]:
        """The commands of a shell block as words, without comments."""
        found: list[list[str]] = []
        for line in self.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            for follows, group in groupby(words, lambda word: word == "&&"):
                if not follows:
                    found.append(list(group))
        return found


def blocks(language: str) -> list[Block]:
    """The fenced blocks of all documents in that language."""
    return [block for path in documents() for block in _of(path) if block.language == language]


def _of(path: Path) -> Iterator[Block]:
    name = path.relative_to(ROOT).as_posix()
    for number, found in enumerate(_FENCE.finditer(path.read_text(encoding="utf-8")), 1):
        yield Block(name, found["language"], textwrap.dedent(found["body"]), found["directive"] or "", number)


def fill(folder: Path) -> None:
    """Make what the documents name: two runs in one store, each also in a store of its own, and an exported file."""
    shutil.copy(ROOT / "reports" / "gallery" / "quick.json", folder / "results.json")
    (folder / ".dctbench").mkdir()
    for day, label in enumerate(("laptop", "server"), 1):
        run = replace(RUN, id=f"{day:016x}", label=label, started_at=f"2026-01-0{day}T03:04:05.000000+00:00")
        for path in (".dctbench/results.sqlite", f"{label}.sqlite"):
            with open_store(str(folder / path), create=True) as store:
                store.add_run(run, CASES, 2)
                store.add_environment(run.id, ENVIRONMENT)
                store.add_results(run.id, [_result(case, number) for number in (1, 2) for case in CASES])


def _result(case: Case, number: int) -> Result:
    seconds = 1e-6 * case.seq_len / (case.ratio or 1)
    return result(case.implementation, case.seq_len, seconds, ratio=case.ratio, round=number, values=VALUES)
