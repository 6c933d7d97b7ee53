"""The state of a git repository, and that no program which the repository names is run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from dctbench.machine.git import git_state
from tests.support.canary import git, plant, repository


def test_commit_and_changes_of_an_ordinary_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert git_state() is None
    commit = repository(tmp_path / "clone")
    (tmp_path / "clone" / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "clone" / "inner")
    assert git_state() == {"commit": commit, "dirty": False}
    os.utime(tmp_path / "clone" / "layer.py", (1, 1))
    assert git_state() == {"commit": commit, "dirty": False}
    (tmp_path / "clone" / "layer.py").write_text("width = 2\n")
    assert git_state() == {"commit": commit, "dirty": True}
    git(tmp_path / "clone", "commit", "-q", "-a", "-m", "two")
    git(tmp_path / "clone", "mv", "layer.py", "moved.py")
    state = git_state()
    assert state is not None
    assert state["dirty"] is True


def test_no_program_of_the_repository_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = repository(tmp_path / "clone")
    plant(tmp_path / "clone", tmp_path / "ran")
    monkeypatch.chdir(tmp_path / "clone")
    assert git_state() == {"commit": commit, "dirty": False}
    (tmp_path / "clone" / "layer.py").write_text("width = 2\n")
    assert git_state() == {"commit": commit, "dirty": None}  # only the filter could tell
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()
    git(tmp_path / "clone", "status")  # the plants work
    assert (tmp_path / "ran").exists()


def test_a_filter_whose_name_cannot_be_switched_off_leaves_it_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository(tmp_path)
    git(tmp_path, "config", "filter.a=b.clean", f"touch {tmp_path}/ran; cat")
    (tmp_path / ".gitattributes").write_text("* filter=a=b\n")
    os.utime(tmp_path / "layer.py", (1, 1))
    monkeypatch.chdir(tmp_path)
    assert git_state() == {"commit": commit, "dirty": None}
    assert not (tmp_path / "ran").exists()


def test_a_bare_repository_among_the_files_of_a_clone_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "bare"
    repository(bare)
    shutil.move(bare / ".git", tmp_path / "git")
    shutil.rmtree(bare)
    shutil.move(tmp_path / "git", bare)
    git(bare, "config", "core.bare", "true")
    (bare / "layer.py").touch()
    plant(bare, tmp_path / "ran", ".")
    monkeypatch.chdir(bare)
    assert git_state() is None
    assert not (tmp_path / "ran").exists()


def test_a_submodule_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository(tmp_path / "clone")
    repository(tmp_path / "clone" / "part")
    git(tmp_path / "clone", "add", "part")
    git(tmp_path / "clone", "commit", "-q", "-m", "with a part")
    plant(tmp_path / "clone" / "part", tmp_path / "ran")
    monkeypatch.chdir(tmp_path / "clone")
    state = git_state()
    assert state is not None
    assert state["dirty"] is False
    assert not (tmp_path / "ran").exists()
