"""A git repository that someone prepared: everything in it names a program, which leaves a trace when it runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_HOOKS = ("post-index-change", "fsmonitor-watchman", "pre-commit", "post-checkout", "reference-transaction")
_PLANTED = (
    "core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.askPass", "core.gitProxy",
    "core.alternateRefsCommand", "pager.status", "pager.rev-parse", "diff.external", "diff.evil.command",
    "diff.evil.textconv", "merge.evil.driver", "filter.evil.clean", "filter.evil.smudge", "filter.evil.process",
    "credential.helper", "gpg.program", "sequence.editor", "interactive.diffFilter", "trace2.eventTarget",
)  # fmt: skip


def git(folder: Path, *words: str) -> str:
    """Run git as the one who prepares the folder does, and return what it prints."""
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    done = subprocess.run(
        ["git", *words], cwd=folder, env=os.environ | who, check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


def repository(folder: Path) -> str:
    """Make a repository with one commit of `layer.py`, and return the commit."""
    folder.mkdir(exist_ok=True)
    git(folder, "init", "-q")
    (folder / "layer.py").write_text("width = 1\n")
    git(folder, "add", "layer.py")
    git(folder, "commit", "-q", "-m", "one")
    return git(folder, "rev-parse", "HEAD")


def plant(folder: Path, trace: Path, git_folder: str = ".git") -> None:
    """Let everything in a repository name a program that creates `trace`, and give git a reason to run each."""
    program = folder / "evil.sh"
    program.write_text(f"#!/bin/sh\necho \"$0 $@\" >> '{trace}'\ncat 2>/dev/null\n")
    program.chmod(0o755)
    for key in _PLANTED:
        git(folder, "config", "--file", f"{git_folder}/config", key, str(program))
    for word in ("status", "rev-parse", "config", "check-attr"):
        git(folder, "config", "--file", f"{git_folder}/config", f"alias.{word}", f"!{program}")
    for name in _HOOKS:
        hook = folder / git_folder / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.unlink(missing_ok=True)
        hook.symlink_to(program)
    (folder / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    os.utime(folder / "layer.py", (1, 1))  # git must now compare the contents
