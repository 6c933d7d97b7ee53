"""The sdist is the checkout: what tests, documents and checks read is in it."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.support.checkout import copy


def test_the_sdist_holds_every_file_of_the_project(tmp_path: Path) -> None:
    source = tmp_path / "source"
    copied = copy(source)
    build = "import setuptools.build_meta as b, sys; print(b.build_sdist(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=source, capture_output=True, text=True, check=True
    )
    with tarfile.open(tmp_path / done.stdout.splitlines()[-1]) as archive:
        held = {re.sub(r"^[^/]+/", "", member.name) for member in archive if member.isfile()}
    assert copied - held == set()
    made = {"PKG-INFO", "setup.cfg"}
    assert {name for name in held - copied - made if not name.startswith("dctbench.egg-info/")} == set()
