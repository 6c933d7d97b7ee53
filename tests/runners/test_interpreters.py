"""Another interpreter for the base of a check: it is used only if its dctbench speaks the same protocol."""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path

import pytest

from dctbench.errors import UsageError
from dctbench.protocol import PROTOCOL
from dctbench.runners import interpreters
from dctbench.runners.interpreters import interpreter
from tests.support import ROOT


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


def test_one_that_is_too_old_is_named_with_its_version(tmp_path: Path) -> None:
    """As Python 3.10 answers, which does not know the option -P."""
    program = tmp_path / "python"
    program.write_text(
        '#!/bin/sh\nif [ "$1" = -P ]; then\n  echo "Unknown option: -P" >&2\n'
        '  echo "Try \\`python -h\' for more information." >&2\n  exit 2\nfi\necho 3 10\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    with pytest.raises(UsageError, match=r": it is Python 3\.10, and dctbench needs 3\.11 or later$") as refused:
        interpreter(str(program), {})
    assert "3.11" in str(refused.value.hint)


def test_the_oldest_version_is_that_of_the_package() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert declared == ">=" + ".".join(map(str, interpreters._OLDEST))
