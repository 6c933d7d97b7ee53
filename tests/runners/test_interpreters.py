"""Another interpreter for the base of a check: it is used only if its dctbench speaks the same protocol."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from dctbench.errors import UsageError
from dctbench.protocol import PROTOCOL
from dctbench.runners.interpreters import interpreter


def python_that_prints(folder: Path, about: object) -> str:
    """A program that replies to any command line with this."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\necho {shlex.quote(json.dumps(about))}\n", encoding="utf-8")
    program.chmod(0o755)
    return str(program)


ABOUT = {"version": "0.0.9", "package": "/there/dctbench", "facts": {"host": "bench"}, "fingerprint": "f"}


def test_one_of_the_same_protocol_is_used(tmp_path: Path) -> None:
    python = python_that_prints(tmp_path, {**ABOUT, "protocol": PROTOCOL})
    environment, version, package = interpreter(python, {})
    assert (environment.fingerprint, version, package) == ("f", "0.0.9", "/there/dctbench")


def test_one_of_an_earlier_protocol_is_refused_in_one_sentence(tmp_path: Path) -> None:
    python = python_that_prints(tmp_path, {**ABOUT, "protocol": 2})
    with pytest.raises(UsageError) as refused:
        interpreter(python, {})
    assert (
        refused.value.message
        == f"--base-python {python}: its dctbench 0.0.9 uses protocol 2, this one uses protocol {PROTOCOL}"
    )


def test_one_whose_dctbench_lacks_the_module_that_is_asked_is_refused_in_one_sentence(tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho \"No module named 'dctbench.machine'\" >&2\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    with pytest.raises(UsageError, match=r"it has no usable dctbench \(No module named 'dctbench.machine'\)$"):
        interpreter(str(program), {})
