"""Shards by the real command: each compares by itself, merged they are one run, and the documents' job files work."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from dctbench.store import open_store
from tests.support import SUPPORT
from tests.support.command import TINY, Cli, Done
from tests.support.documents import blocks

FLAGS = ("--impl", "sdpa,dct-x", "--ratio", "4", "--label", "nightly", *TINY)


def shard(cli: Cli, number: int, *more: str) -> Done:
    return cli("run", *FLAGS, "--shard", f"{number}/2", "--store", f"{number}.sqlite", "-q", *more)


def test_a_shard_compares_by_itself_and_the_merged_shards_are_one_run(cli: Cli, tmp_path: Path) -> None:
    lengths = set()
    for number in (1, 2):
        done = shard(cli, number, "--format", "json")
        assert done.code == 0, done.err
        made = done.json()
        assert made["run"]["settings"]["shard"] == f"{number}/2"
        [length] = {entry["case"]["seq_len"] for entry in made["results"]}
        assert sorted(entry["case"]["implementation"] for entry in made["results"]) == ["dct-x", "sdpa"]
        lengths.add(length)
        assert cli("report", "--store", f"{number}.sqlite", "-o", f"{number}.html").code == 0
        page = (tmp_path / f"{number}.html").read_text(encoding="utf-8")
        assert f"sdpa at n = {length}, the only measured length" in page
    assert lengths == {64, 128}
    for _ in range(2):
        merged = cli("store", "merge", "1.sqlite", "2.sqlite", "--into", "all.sqlite")
        assert (merged.code, "(nightly) is whole: all its shards are here" in merged.err) == (0, True)
    [run] = cli("list", "runs", "--store", "all.sqlite", "--format", "json").json()
    assert (run["label"], run["results"]) == ("nightly", "8 of 8")
    settings = cli("export", "json", "--store", "all.sqlite").json()["run"]["settings"]
    assert "shard" not in settings


def test_a_complete_shard_is_refused_and_an_interrupted_one_goes_on(cli: Cli, tmp_path: Path) -> None:
    assert shard(cli, 1).code == 0
    again = shard(cli, 1)
    assert (again.code, "shard 1/2 of 'nightly' is complete in 1.sqlite" in again.err) == (2, True)
    with open_store(str(tmp_path / "1.sqlite")) as store:
        [state] = store.runs()
        kept = store.results(state.run.id)[1:]
        with store.transaction() as connection:
            connection.exec_driver_sql(f"DELETE FROM results WHERE round = 1 AND case_id = '{kept[-1].case.id}'")
    assert shard(cli, 1).code == 0
    with open_store(str(tmp_path / "1.sqlite")) as store:
        [state] = store.runs()
        assert state.complete


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--shard", "1/2"), "--shard 1/2 needs a label"),
        (("--shard", "3/2", "--label", "x"), "--shard '3/2': not one of several shards"),
        (("--shard", "1/9", "--label", "x", *TINY), "--shard 1/9: the sweep has 2 shapes"),
        (("--shard", "1/2", "--label", "x", "--save-baseline", "main"), "shard 1/2 is a part of a run"),
    ],
)
def test_a_shard_that_makes_no_sense_is_refused_in_a_sentence(cli: Cli, flags: tuple[str, ...], sentence: str) -> None:
    done = cli("run", *flags)
    assert (done.code, sentence in done.err) == (2, True), done.err


def test_a_shard_of_methods_that_cannot_be_asked_is_refused_since_others_would_divide_the_sweep_otherwise(
    cli: Cli,
) -> None:
    flags = ("--impl", "sdpa,hostile:VanishesWhenBuilt", "--ratio", "4", "--label", "nightly", *TINY)
    done = cli("run", *flags, "--shard", "1/2", PYTHONPATH=str(SUPPORT))
    assert done.code == 6, done.err
    said = " ".join(done.err.split())
    assert "--shard 1/2: every machine divides a sweep by the FLOPs of its methods" in said
    assert "hostile:VanishesWhenBuilt" in said


def test_a_dry_run_shows_the_part_of_a_shard(cli: Cli) -> None:
    parts = [cli("run", *FLAGS, "--shard", f"{i}/2", "--dry-run", "--format", "json").json()["cases"] for i in (1, 2)]
    assert sorted(len(cases) for cases in parts) == [2, 2]
    assert len({json.dumps(case, sort_keys=True) for cases in parts for case in cases}) == 4


# The job files of docs/many-machines.md

SHORT = "--seq 16..256:+16 --impl sdpa,dct-x --ratio 4 --batch 1 --heads 2 --head-dim 8 --rounds 1"
"""Sixteen shapes, each of which takes milliseconds."""


@pytest.fixture
def job(tmp_path: Path, environ: dict[str, str]) -> Mapping[str, str]:
    """The environment of a job in which `dctbench run` takes a short sweep."""
    program = tmp_path / "bin" / "dctbench"
    program.parent.mkdir()
    more = f'set -- "$@" {SHORT} -q'
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = run ]; then {more}; fi\nexec {sys.executable} -m dctbench "$@"\n', encoding="utf-8"
    )
    program.chmod(0o755)
    return {**environ, "HOME": str(tmp_path), "PATH": f"{program.parent}:{os.environ['PATH']}"}


def script(text: str, folder: Path, environ: Mapping[str, str]) -> None:
    done = subprocess.run(
        ["/bin/bash", "-euc", text], cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


def shapes_of(path: Path) -> tuple[str | None, set[int]]:
    with open_store(str(path)) as store:
        [state] = store.runs()
        assert state.complete
        return state.run.settings.shard, {case.seq_len for case in store.plan(state.run.id)[0]}


def test_the_slurm_array_of_the_documents_measures_its_shard_and_merges(tmp_path: Path, job: Mapping[str, str]) -> None:
    measure, merge = (block.text for block in blocks("bash") if block.document == "docs/many-machines.md")
    assert "#SBATCH --array=1-16\n" in measure
    for number in (1, 16):
        task = {"SLURM_ARRAY_TASK_ID": str(number), "SLURM_ARRAY_TASK_COUNT": "16", "SLURM_ARRAY_JOB_ID": "77"}
        script(measure, tmp_path, {**job, **task})
    found = [shapes_of(tmp_path / "shards" / f"{number}.sqlite") for number in (1, 16)]
    assert [shard for shard, _ in found] == ["1/16", "16/16"]
    assert len(found[0][1] | found[1][1]) == 2
    script(merge, tmp_path, job)
    assert shapes_of(tmp_path / "nightly.sqlite")[0] == "1,16/16"


def test_the_kubernetes_job_of_the_documents_measures_its_shard(tmp_path: Path, job: Mapping[str, str]) -> None:
    [manifest] = [
        found for block in blocks("yaml") if block.document == "docs/many-machines.md"
        if (found := yaml.safe_load(block.text)).get("kind") == "Job"
    ]  # fmt: skip
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    assert (manifest["spec"]["completionMode"], container["command"]) == ("Indexed", ["/bin/sh", "-c"])
    [text] = container["args"]
    last = manifest["spec"]["completions"] - 1
    place = tmp_path / "pod.sqlite"
    script(text, tmp_path, {**job, "JOB_COMPLETION_INDEX": str(last), "DCTBENCH_STORE": str(place)})
    assert shapes_of(place)[0] == f"{last + 1}/16"


def test_the_sweeps_of_the_documents_have_a_shape_for_each_shard(cli: Cli) -> None:
    texts = [b.text for b in blocks("bash") + blocks("yaml") if b.document == "docs/many-machines.md"]
    joined = (text.replace("\\\n", " ") for text in texts)
    found = [match for text in joined for match in re.finditer(r"dctbench run (.*?)--label.*?--shard", text, re.DOTALL)]
    counts = [16, 16, 4]
    assert len(found) == len(counts)
    for match, count in zip(found, counts, strict=True):
        done = cli("run", *match[1].split(), "--label", "nightly", "--shard", f"{count}/{count}", "--dry-run")
        assert done.code == 0, done.err


def test_the_matrix_of_the_documents_numbers_all_its_shards() -> None:
    [workflow] = [
        found for block in blocks("yaml") if block.document == "docs/many-machines.md"
        if "jobs" in (found := yaml.safe_load(block.text))
    ]  # fmt: skip
    numbers = workflow["jobs"]["measure"]["strategy"]["matrix"]["shard"]
    [measure] = [step for step in workflow["jobs"]["measure"]["steps"] if "dctbench run" in step.get("run", "")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert f'--shard "$SHARD/{len(numbers)}"' in measure["run"]
    assert measure["env"] == {"SHARD": "${{ matrix.shard }}"}
