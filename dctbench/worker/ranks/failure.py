"""Why a rank failed, as it tells rank 0: one line of JSON on the pipe between them."""

from __future__ import annotations

from typing import Literal

import msgspec

from dctbench import catalog
from dctbench.errors import DctbenchError, UnavailableError, UnsupportedError, text_of
from dctbench.model import Case

_LONGEST = 500
"""Characters of a message, which fit into what a pipe takes at once."""


class RankFailure(msgspec.Struct, frozen=True):
    """Why a rank failed.

    Attributes:
        kind: "oom" without enough memory, "unsupported" where the method or the machine cannot do it, "lost" for a rank
            that only lost its connection to another one, else "error".
        message: what happened, in one sentence.
    """

    kind: Literal["oom", "unsupported", "lost", "error"]
    message: str


def failure_of(error: BaseException, case: Case) -> RankFailure:
    """Return what an error of a rank says of its case. Nothing is raised, even where torch cannot be imported."""
    try:
        from dctbench.worker.ranks.group import connection_lost

        if connection_lost(error):
            return RankFailure("lost", "")
        short = catalog.DEVICES[case.device_kind].load().out_of_memory(error)
    except Exception:
        short = None
    if short is not None:
        return RankFailure("oom", _line(short))
    if not isinstance(error, DctbenchError):
        return RankFailure("error", _line(f"{type(error).__name__}: {text_of(error)}"))
    kind: Literal["unsupported", "error"]
    kind = "unsupported" if isinstance(error, (UnsupportedError, UnavailableError)) else "error"
    return RankFailure(kind, _line(error.message))


def encode(failure: RankFailure) -> bytes:
    """Return the failure as one line."""
    return msgspec.json.encode(failure) + b"\n"


def decode(said: bytes) -> RankFailure | None:
    """Return the failure that a rank told; None if it told none, as a process does that was killed."""
    try:
        return msgspec.json.decode(said, type=RankFailure)
    except msgspec.MsgspecError:
        return None


def _line(text: str) -> str:
    """Return the text in one line. Bytes of a file name that are no UTF-8 become question marks, as JSON has none."""
    return " ".join(text.encode("utf-8", "replace").decode().split())[:_LONGEST]
