"""Folders of killed processes are removed by the next one; those of living processes and of others are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dctbench.machine.temporary import OwnedFolder

PREFIX = "ours-"
OWNER = f"""
import os, signal, sys
from pathlib import Path
from dctbench.machine.temporary import OwnedFolder
folder = OwnedFolder({PREFIX!r}, Path(sys.argv[1]))
(folder.path / "data").write_text("x")
print(folder.path.name, flush=True)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


def owner(place: Path) -> tuple[subprocess.Popen[str], str]:
    """Start a process that owns a folder and kills itself when it gets a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_the_folder_of_a_killed_process_is_removed_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    dead, left = owner(tmp_path)
    dead.communicate("\n")
    assert (tmp_path / left / "data").exists()
    living, kept = owner(tmp_path)  # which removes the other one
    assert not (tmp_path / left).exists()
    with OwnedFolder(PREFIX, tmp_path) as mine:
        assert (tmp_path / kept / "data").exists()
        assert mine.path.name.startswith(PREFIX)
    living.communicate("\n")
    assert [entry.name for entry in tmp_path.iterdir()] == [kept]


def test_links_files_and_folders_of_others_stay(tmp_path: Path) -> None:
    place, elsewhere = tmp_path / "place", tmp_path / "elsewhere"
    for folder in (place, elsewhere, place / "theirs", place / f"{PREFIX}left"):
        folder.mkdir()
    (elsewhere / "data").write_text("x")
    (place / f"{PREFIX}link").symlink_to(elsewhere)
    (place / f"{PREFIX}left" / "link").symlink_to(elsewhere)
    (place / f"{PREFIX}file").write_text("x")
    OwnedFolder(PREFIX, place).remove()
    assert {entry.name for entry in place.iterdir()} == {"theirs", f"{PREFIX}link", f"{PREFIX}file"}
    assert (elsewhere / "data").exists()


def test_the_folder_of_another_user_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{PREFIX}left").mkdir()
    with monkeypatch.context() as another:
        another.setattr(os, "geteuid", lambda: os.getuid() + 1)
        OwnedFolder(PREFIX, tmp_path).remove()
    assert [entry.name for entry in tmp_path.iterdir()] == [f"{PREFIX}left"]


def test_a_folder_is_removed_at_the_end_of_its_process_even_if_nobody_does_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from dctbench.machine.temporary import OwnedFolder; "
        f"OwnedFolder({PREFIX!r}, Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert list(tmp_path.iterdir()) == []
