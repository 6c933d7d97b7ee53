"""The sequence divided among ranks, through the commands: what is measured, counted, refused and reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Cli, Done, cli_in, plain_environment

TINY = ("--heads", "2", "--head-dim", "8", "--ratio", "4", "--rounds", "1")
N, KEPT, DIM, FLOAT32 = 65, 17, 16, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def run(folder: Path) -> Done:
    """A run of every sharded method, and one without that form, on one rank and on two."""
    cli = cli_in(folder, plain_environment())
    done = cli("run", "--impl", "sdpa,dct-x,dct-kv,none", "--seq", str(N), *TINY, "--ranks", "1,2", "--samples", "3",
               "--format", "json")  # fmt: skip
    assert done.code == 0, done.err
    return done


@pytest.fixture
def results(run: Done) -> dict[tuple[str, int], Any]:
    """The results by method and number of ranks."""
    return {(one["case"]["implementation"], one["case"]["ranks"]): one for one in run.json()["results"]}


def test_the_bytes_of_each_case_are_those_of_its_collective(results: dict[tuple[str, int], Any]) -> None:
    sent = {key: one["metrics"]["bytes.communicated"]["value"] for key, one in results.items() if one["metrics"]}
    assert {sent[name, 1] for name in ("sdpa", "dct-x", "dct-kv", "none")} == {0}
    # Two ranks: half of m x d numbers there and half back; the longer half of n rows of keys and values.
    assert sent["dct-x", 2] == sent["dct-kv", 2] == KEPT * DIM * FLOAT32
    assert sent["sdpa", 2] == 33 * 2 * DIM * FLOAT32
    details = results["dct-x", 2]["details"]
    assert details["communication"]["backend"] == "gloo"
    assert details["communication"]["collectives"] == {"all_reduce": {"calls": 1, "bytes": KEPT * DIM * FLOAT32}}
    assert details["threads"] == 1


def test_ranks_are_timed_and_their_error_is_that_of_one_device(results: dict[tuple[str, int], Any]) -> None:
    for name in ("sdpa", "dct-x", "dct-kv"):
        one, two = results[name, 1], results[name, 2]
        assert two["status"] == "ok", two["message"]
        assert two["metrics"]["latency"]["value"] > 0
        for metric in ("error.noise", "error.smooth"):
            values = [result["metrics"][metric]["value"] for result in (one, two)]
            assert values[1] == pytest.approx(values[0], rel=1e-3, abs=1e-6)


def test_a_method_without_a_sharded_form_is_unsupported_with_the_reason(results: dict[tuple[str, int], Any]) -> None:
    assert results["none", 1]["status"] == "ok"
    refused = results["none", 2]
    assert refused["status"] == "unsupported"
    assert refused["message"] == "none has no form for several devices, which sdpa, dct-x, dct-kv have"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--scope", "encoder"), "--scope encoder does not go with it"),
        (("--mode", "train"), "--mode train does not go with it"),
        (("--engine", "compile"), "--engine compile does not go with it"),
        (("--period", "20ms"), "--period 20.0 ms does not go with it"),
        (("--ranks", "0"), "--ranks '0': 0 is outside 1 to 64"),
        (("--task", "recall"), "--ranks 2 does not go with --task"),
    ],
)
def test_ranks_of_anything_but_a_forward_pass_of_a_layer_are_refused(
    cli: Cli, flags: Sequence[str], words: str
) -> None:
    ranks = () if "--ranks" in flags else ("--ranks", "2")
    done = cli("run", "--impl", "sdpa", "--seq", "64", *ranks, *flags, "--dry-run")
    assert done.code == 2
    assert words in done.err
    assert len(done.err.strip().splitlines()) <= 2


def test_more_ranks_than_cores_run_with_a_warning(tmp_path: Path, environ: dict[str, str]) -> None:
    core = min(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "dctbench", "run", "--impl", "sdpa", "--seq", "64", *TINY, "--ranks", "2"]
    done = subprocess.run(
        [*command, "--samples", "2", "--format", "json"],
        cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=300, check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )  # fmt: skip
    [result] = json.loads(done.stdout)["results"]
    assert result["status"] == "ok", result["message"]
    [warning] = [one for one in result["warnings"] if one["code"] == "ranks_share_cores"]
    assert warning["values"] == {"ranks": 2, "of_cores": 1}
    assert "2 ranks share 1 core" in warning["message"]
