"""What shells complete, by the real command as a shell calls it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.store import open_store
from tests.support.command import Cli
from tests.support.made import RUN, result


def completed(cli: Cli, line: str, shell: str = "bash", **variables: str) -> list[tuple[str, str]]:
    """Return what is offered in place of the last word of a line: kinds and values."""
    *before, last = line.split(" ")
    place = last if shell == "fish" else str(len(before))
    done = cli(_DCTBENCH_COMPLETE=f"{shell}_complete", COMP_WORDS=line, COMP_CWORD=place, **variables)
    assert (done.code, done.err) == (0, "")
    if shell == "zsh":
        lines = done.out.split("\n")
        return list(zip(lines[0::3], lines[1::3], strict=False))
    rows = (row.partition(",") for row in done.out.splitlines())
    return [(kind, value.partition("\t")[0]) for kind, _, value in rows]


def plain(cli: Cli, line: str, **variables: str) -> list[str]:
    return [value for kind, value in completed(cli, line, **variables) if kind == "plain"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands_flags_and_values(cli: Cli, shell: str) -> None:
    def values(line: str) -> set[str]:
        return {value for _, value in completed(cli, line, shell)}

    assert f"{shell}_complete" in cli(_DCTBENCH_COMPLETE=f"{shell}_source").out
    assert {"run", "store", "list"} <= values("dctbench ")
    below = values("dctbench store p")
    assert {"prune", "push"} <= below
    assert "info" not in below
    assert "--older-than" in values("dctbench store prune --old")
    assert "latest" in values("dctbench report l")


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("dctbench run --impl dct-i", ["dct-ideal"]),
        ("dctbench run --impl sdpa,dct-i", ["sdpa,dct-ideal"]),
        ("dctbench run --task mnist1d,lis", ["mnist1d,listops"]),
        ("dctbench run --dtype float", ["float32", "float16", "float64"]),
        ("dctbench run --device c", ["cpu", "cuda:0"]),
        ("dctbench run --mode b", ["backward"]),
        ("dctbench run --engine onnx", ["onnxruntime", "onnxruntime-int8", "onnxruntime-int8-static"]),
        ("dctbench run --input p", ["photo"]),
        ("dctbench run --model m", ["minilm"]),
        ("dctbench run --suite gpu", ["gpu", "gpu-quick"]),
        ("dctbench doctor --suite real", ["realtime"]),
        ("dctbench check --base-impl dct-q", ["dct-qkv"]),
        ("dctbench choose --engine cu", ["cudagraph"]),
        ("dctbench export lat", ["latex"]),
        ("dctbench run --seq 5", []),
    ],
)  # fmt: skip
def test_names_are_completed_the_last_one_of_a_list(cli: Cli, line: str, values: list[str]) -> None:
    assert sorted(plain(cli, line)) == sorted(values)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(("words", "offered"), [("report l", "latest"), ("doctor --suite real", "realtime")])
def test_bash_itself_offers_names_where_a_path_would_do_too(
    words: str, offered: str, tmp_path: Path, environ: dict[str, str]
) -> None:
    """The script of click drops the names as soon as it is told to complete paths."""
    script = (
        'eval "$(_DCTBENCH_COMPLETE=bash_source dctbench)"; COMP_WORDS=(dctbench $0); '
        'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _dctbench_completion dctbench; echo "${COMPREPLY[@]}"'
    )
    path = f"{Path(sys.executable).parent}:{environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script, words], cwd=tmp_path, env=environ | {"PATH": path}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.split() == [offered]


@pytest.mark.parametrize(
    "words", ["import ", "atlas ", "report -o ", "run --store ", "check --base-python ", "store merge ", "report "]
)
def test_paths_are_left_to_the_shell(cli: Cli, words: str) -> None:
    assert "file" in {kind for kind, _ in completed(cli, f"dctbench {words}x")}


def stored(path: Path) -> None:
    """A store with two runs, of which the first is a baseline, and labels that no shell may be given."""
    with open_store(str(path), create=True) as store:
        for number, label in enumerate(["night", "$(touch pwned)", "two words", "-o"], 1):
            run = replace(RUN, id=f"{number}abcdef".ljust(16, "0"), label=label)
            store.add_run(run, [result().case], rounds=1)
        store.save_baseline("main", "1abcdef".ljust(16, "0"))


def test_runs_are_completed_by_baseline_label_and_id_the_newest_first(cli: Cli, tmp_path: Path) -> None:
    stored(tmp_path / "s.sqlite")
    ids = [f"{number}abcdef0" for number in (4, 3, 2, 1)]
    for words in ("compare", "report", "choose", "export csv", "list cases", "check --baseline", "run --resume"):
        found = plain(cli, f"dctbench {words} ", DCTBENCH_STORE="s.sqlite")
        assert found == ["latest", "main", "night", *ids], words
    assert plain(cli, "dctbench compare --store s.sqlite 3ab") == ["3abcdef0"]
    assert plain(cli, "dctbench store forget --store s.sqlite m") == ["main"]
    assert plain(cli, "dctbench run --store s.sqlite --save-baseline ") == ["main"]


def test_the_store_is_that_of_the_line_the_variable_or_the_folder(cli: Cli, tmp_path: Path) -> None:
    stored(tmp_path / "s.sqlite")
    assert plain(cli, "dctbench report ni") == []
    assert plain(cli, "dctbench report ni", DCTBENCH_STORE="s.sqlite") == ["night"]
    (tmp_path / "pyproject.toml").write_text('[tool.dctbench.report]\nstore = "s.sqlite"\n')
    assert plain(cli, "dctbench report ni") == ["night"]
    (tmp_path / "pyproject.toml").write_text("[tool.dctbench]\nstore = 1.5\nnone = 3\n")
    assert plain(cli, "dctbench report ni") == []


@pytest.mark.parametrize("store", ["broken.sqlite", "none.sqlite", "postgresql+psycopg://nobody@192.0.2.1/x"])
def test_a_store_that_cannot_answer_is_left_out_in_silence(cli: Cli, tmp_path: Path, store: str) -> None:
    (tmp_path / "broken.sqlite").write_bytes(b"no store")
    assert plain(cli, f"dctbench report --store {store} ") == ["latest"]
    assert plain(cli, f"dctbench store forget --store {store} ") == []
    assert not (tmp_path / "none.sqlite").exists()
