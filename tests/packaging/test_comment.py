"""The workflow that comments on a pull request: it shows verdicts, and no text that the pull request's code wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from dctbench.model import VerdictKind
from dctbench.wording.verdict_markdown import MARKER
from tests.support.documents import blocks

[WORKFLOW] = [
    block
    for block in (yaml.safe_load(block.text) for block in blocks("yaml") if block.document == "docs/in-ci.md")
    if block["name"] == "attention-comment"
]
[DOWNLOAD, POST] = WORKFLOW["jobs"]["comment"]["steps"]
GH = """#!{python}
import json, os, sys
words = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(json.dumps([words, sys.stdin.read() if "--input" in words else ""]) + "\\n")
if words[1:3] == ["-X", "GET"]:
    print(os.environ["PULL"])
elif "--paginate" in words:
    print(os.environ["COMMENT"])
"""
HOSTILE = "x` @someone <img src=//evil> [a](https://evil.example) https://evil.example | # ![b](//c)\n::error::x"


def verdict(kind: str = "SLOWER", **more: Any) -> dict[str, Any]:
    case = {"implementation": "dct-x", "ratio": 8.0, "seq_len": 4096}
    return {"case": case, "metric": "latency", "kind": kind, "base": 1e-3, "head": 2e-3, "effect": 2.0, **more}


def post(folder: Path, content: str, pull: str = "7", comment: str = "") -> tuple[int, list[Any]]:
    """Run the step and return its exit code and what it asked of `gh`: words and standard input."""
    log, gh, verdicts = folder / "log", folder / "bin" / "gh", folder / "verdicts.json"
    gh.parent.mkdir(exist_ok=True)
    gh.write_text(GH.format(python=sys.executable, log=str(log)))
    gh.chmod(0o755)
    verdicts.write_text(content)
    variables = {"PATH": f"{gh.parent}:{os.environ['PATH']}", "PULL": pull, "COMMENT": comment, "BRANCH": "you:main",
                 "REPOSITORY": "us/it", "VERDICTS": str(verdicts), "RUN_URL": "https://github.com/us/it/1"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", POST["run"]], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    return done.returncode, [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def body_of(asked: list[Any]) -> str:
    text: str = json.loads(asked[-1][1])["body"]
    return text


def test_the_workflows_have_least_rights_and_download_into_the_temporary_folder() -> None:
    assert WORKFLOW["permissions"] == {"pull-requests": "write", "actions": "read"}
    assert DOWNLOAD["with"]["path"] == "${{ runner.temp }}/dctbench"
    assert POST["env"]["VERDICTS"].startswith(DOWNLOAD["with"]["path"])
    first = next(
        workflow
        for workflow in (yaml.safe_load(block.text) for block in blocks("yaml") if block.document == "docs/in-ci.md")
        if workflow["name"] == "attention"
    )
    assert first["permissions"] == {"contents": "read"}


def test_verdicts_are_posted_the_gravest_first_and_an_earlier_comment_is_updated(tmp_path: Path) -> None:
    document = json.dumps({"exit_code": 1, "verdicts": [verdict(kind.value) for kind in VerdictKind]})
    code, asked = post(tmp_path, document)
    assert code == 0
    assert asked[-1][0][:4] == ["api", "-X", "POST", "repos/us/it/issues/7/comments"]
    body = body_of(asked)
    assert body.splitlines()[0] == MARKER
    assert "### dctbench: something got worse" in body
    assert body.index("| SLOWER | `dct-x r=8` | 4096 | `latency` | 0.001 | 0.002 | 2 |") < body.index("| FASTER |")
    kept = {"implementation": "nystromformer", "ratio": None, "kept": 64, "seq_len": 4096}
    _, asked = post(tmp_path, json.dumps({"exit_code": 1, "verdicts": [verdict(case=kept)]}))
    assert "| SLOWER | `nystromformer kept=64` | 4096 |" in body_of(asked)
    assert "| PASS |" not in body
    assert "1 PASS" in body
    _, asked = post(tmp_path, document, comment="11\n12")
    assert asked[-1][0][:4] == ["api", "-X", "PATCH", "repos/us/it/issues/comments/11"]


def test_text_of_the_artifact_is_never_markup(tmp_path: Path) -> None:
    case = {"implementation": HOSTILE, "ratio": None, "seq_len": 64}
    document = {"exit_code": 1, "summary": HOSTILE, "warnings": [HOSTILE], "head": {"label": HOSTILE}}
    found = [verdict(metric=HOSTILE, reason=HOSTILE, case=case), verdict(case={**case, "implementation": "```"})]
    code, asked = post(tmp_path, json.dumps({**document, "verdicts": found}))
    assert code == 0
    lines = [line for line in body_of(asked).splitlines() if line.startswith("| SLOWER")]
    for line in lines:
        assert line.count("`") == 4
        outside = "".join(line.split("`")[::2])
        assert set(outside) <= set("| SLOWER0123456789.e-"), outside
        assert not set("@<>[]()!#\\") & set(line)
        assert line.count("|") == 8
    rest = body_of(asked).replace("\n".join(lines), "")
    assert "evil" not in rest
    assert "someone" not in rest


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "null", '{"verdicts": [], "exit_code": "@someone"}', '{"verdicts": [], "exit_code": 70}',
     "[" * 99_999,
     '{"exit_code": 1, "verdicts": [{"kind": "@someone"}]}', '{"exit_code": 1, "verdicts": [{"kind": "SLOWER"}]}',
     json.dumps({"exit_code": 1, "verdicts": [verdict(base="@someone")]}),
     json.dumps({"exit_code": 1, "verdicts": [verdict(case={"implementation": {}, "ratio": 1, "seq_len": 1})]}),
     '{"exit_code": 1, "verdicts": ' + "9" * 5000 + "}", "x" * 6_000_000],
    ids=range(13),
)  # fmt: skip
def test_anything_else_is_not_posted(tmp_path: Path, content: str) -> None:
    code, asked = post(tmp_path, content)
    assert (code, asked) == (0, [])


def test_without_an_open_pull_request_nothing_is_posted(tmp_path: Path) -> None:
    code, asked = post(tmp_path, json.dumps({"exit_code": 0, "verdicts": []}), pull="")
    assert (code, len(asked)) == (0, 1)
