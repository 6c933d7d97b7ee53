"""The files of the project, without what lies beside them: environments, caches and results."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support import ROOT

_MADE = "dctbench.egg-info/"


def copy(folder: Path) -> set[str]:
    """Copy the files that git or the sdist lists into a folder, and return their names."""
    names = {name for name in _listed() if (ROOT / name).is_file()}
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
        (folder / name).chmod((ROOT / name).stat().st_mode)
    return names


def _listed() -> list[str]:
    if (ROOT / ".git").exists():
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        return [name for name in names.split("\0") if name]
    lines = (ROOT / _MADE / "SOURCES.txt").read_text(encoding="utf-8").splitlines()
    return [name for name in lines if not name.startswith(_MADE)]
