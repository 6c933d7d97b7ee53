"""What a further rank says of its failure, and what rank 0 makes of it."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dctbench.errors import DctbenchError, UnavailableError, UnsupportedError
from dctbench.model import Case
from dctbench.protocol import MeasureRequest, encode_request
from dctbench.worker import serve
from dctbench.worker.devices import cpu
from dctbench.worker.ranks import follow
from dctbench.worker.ranks.children import Children, RankError, RankOutOfMemoryError

REQUEST = MeasureRequest(Case("dct-x", 64, 4, heads=2, head_dim=8, ranks=2))


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


def said_by_a_rank_whose_device_fails(error: BaseException, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Serve as rank 1 in this process, and return what it says to rank 0."""
    monkeypatch.setattr(follow, "die_with_parent", lambda parent: None)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(encode_request(REQUEST))))
    monkeypatch.setattr(cpu, "use", raising(error))
    reading, writing = os.pipe()
    try:
        assert follow.main(["1", str(folder), "60", str(writing), str(os.getpid())]) == 1
        return os.read(reading, 4096).decode()
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            UnavailableError("GPU 1 is used by another process"),
            {"kind": "unsupported", "message": "GPU 1 is used by another process"},
        ),
        (MemoryError(), {"kind": "oom", "message": "out of memory in Python"}),
        (ValueError("bro\nken \udcff"), {"kind": "error", "message": "ValueError: bro ken ?"}),
    ],
)
def test_a_rank_that_cannot_use_its_device_says_why_and_is_never_ready(
    error: BaseException, said: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = said_by_a_rank_whose_device_fails(error, tmp_path, monkeypatch)
    assert line.endswith("\n")
    assert json.loads(line) == said


def test_a_rank_whose_device_cannot_be_loaded_still_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "out_of_memory", raising(ImportError("no torch")))
    line = said_by_a_rank_whose_device_fails(ImportError("no torch"), tmp_path, monkeypatch)
    assert json.loads(line) == {"kind": "error", "message": "ImportError: no torch"}


def children_that_say(words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Children:
    """Start a process in the place of rank 1 that says these words and ends."""
    program = folder / "rank"
    program.write_text(f"#!{sys.executable}\nimport os, sys\nos.write(int(sys.argv[-2]), {words.encode()!r})\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    return Children(REQUEST, folder, 60)


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        ('{"kind":"oom","message":"out of memory: 8 bytes"}', RankOutOfMemoryError, "rank 1: out of memory: 8 bytes"),
        ('{"kind":"unsupported","message":"no such layer"}', UnsupportedError, "rank 1: no such layer"),
        ('{"kind":"error","message":"ValueError: broken"}', RankError, "rank 1: ValueError: broken"),
        ("", RankError, "rank 1: its process ended with exit code 0"),
    ],
)
@pytest.mark.parametrize("ready", [True, False], ids=["ready", "starting"])
def test_a_failure_keeps_its_kind(
    words: str, kind: type[DctbenchError], message: str, ready: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ready:
        started = children_that_say(f"ready\n{words}\n", tmp_path, monkeypatch)
        failure = started.failure()
        started.end()
    else:
        with pytest.raises(DctbenchError) as raised:
            children_that_say(f"{words}\n", tmp_path, monkeypatch)
        failure = raised.value
    assert type(failure) is kind
    assert failure.message == message


def test_a_rank_that_is_out_of_memory_makes_its_case_oom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "_measured", raising(RankOutOfMemoryError("rank 1: out of memory: 8 bytes")))
    reply = serve.measure(REQUEST)
    assert (reply.status, reply.message) == ("oom", "rank 1: out of memory: 8 bytes")
