"""Result files that strangers contribute: every committed one passes, and each kind of flaw is named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from dctbench.runs.gallery import is_result_file, problems
from tests.support import ROOT

MACHINES = ROOT / "reports" / "gallery" / "machines"
FILES = sorted(MACHINES.glob("*.json"))
SHORT = MACHINES / "amd-epyc-family-26-2-cores.json"
"""It has four lengths and three rounds, so that one less of either is too few."""


def test_the_gallery_is_not_empty() -> None:
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_of_the_gallery_is_whole_plausible_and_names_nobody(path: Path) -> None:
    assert is_result_file(path)
    assert problems(path) == []


Change = Callable[[dict[str, Any]], object]


def environment(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(document["environments"].values()))
    return found


def scaled(document: dict[str, Any], factor: float) -> None:
    exact = [one for one in document["results"] if one["case"]["implementation"] == "sdpa"]
    latency = max(exact, key=lambda one: int(one["case"]["seq_len"]))["metrics"]["latency"]
    latency["samples"] = [sample * factor for sample in latency["samples"]]


def at_two_lengths(document: dict[str, Any]) -> None:
    document["results"] = [one for one in document["results"] if one["case"]["seq_len"] <= 1024]


def in_two_rounds(document: dict[str, Any]) -> None:
    for entry in document["results"]:
        last = entry["rounds"].pop()
        if entry["metrics"].get("latency"):
            entry["metrics"]["latency"]["samples"] = entry["metrics"]["latency"]["samples"][: -last["samples"]]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.update(schema_version=99), "written by a newer dctbench"),
        (lambda d: d["results"][0].pop("case_id"), "case_id"),
        (at_two_lengths, "sdpa was timed at 2 lengths, and a crossing needs 3"),
        (in_two_rounds, "has 2 rounds, and needs 3"),
        (lambda d: scaled(d, 1e-8), "is not plausible"),
        (lambda d: scaled(d, 1e-5), "FLOP/s are more than any device reaches"),
        (lambda d: d["run"]["settings"].pop("anonymous"), "export it with --anonymous"),
        (lambda d: environment(d).pop("host_is_label"), "has the name of a host"),
        (lambda d: environment(d).update(governor="/home/ada/x"), "'/home/' may name somebody"),
        (lambda d: d["results"][0]["rounds"][0]["warnings"].append("see /home/ada/x"), "'/home/' may name somebody"),
        (lambda d: d["results"][0]["details"].update(traceback="in /home/ada/x"), "'/home/' may name somebody"),
        (lambda d: d["results"][0].update(host="ada-laptop"), "a result has the name of a host"),
        (lambda d: d["run"].update(label="ask ada@example.org"), "'ada@example.org' may name somebody"),
        (lambda d: d["run"].update(label=f"{'a' * 70}+b@example.org"), "+b@example.org' may name somebody"),
        (lambda d: d["run"].update(label="on 10.1.2.3"), "'10.1.2.3' may name somebody or a machine"),
    ],
)
def test_a_file_with_a_flaw_is_refused_by_name(tmp_path: Path, change: Change, sentence: str) -> None:
    document = json.loads(SHORT.read_text(encoding="utf-8"))
    change(document)
    path = tmp_path / "one.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert any(sentence in text for text in problems(path)), problems(path)


def test_a_text_of_many_letters_is_searched_at_once(tmp_path: Path) -> None:
    """Nothing in it is an address, which a search that begins anew at every letter finds out in minutes."""
    document = json.loads(SHORT.read_text(encoding="utf-8"))
    environment(document).update(governor="a" * 100_000, cpu="a" * 40_000 + "@" + "a" * 40_000)
    path = tmp_path / "one.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    began = process_time()
    assert problems(path) == []
    assert process_time() - began < 30


def test_another_json_file_is_no_result_file(tmp_path: Path) -> None:
    for number, text in enumerate(['{"results": 1}', "[]"]):
        path = tmp_path / f"{number}.json"
        path.write_text(text, encoding="utf-8")
        assert not is_result_file(path)


def test_a_file_of_too_many_values_is_not_decoded_to_see_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "many.json"
    path.write_text("[1, 2, 3]", encoding="utf-8")
    assert not is_result_file(path)
    monkeypatch.setattr("dctbench.importers.MAX_VALUES", 2)
    assert is_result_file(path)
    assert problems(path) == [f"{path}: more than 2 values"]


def test_a_device_or_a_pipe_among_the_files_is_refused_by_name_and_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "device.json").symlink_to("/dev/zero")
    for name, words in (("pipe.json", "not JSON"), ("device.json", "neither a file nor a pipe")):
        path = tmp_path / name
        assert is_result_file(path)
        [problem] = problems(path)
        assert name in problem
        assert words in problem


def test_a_file_that_was_cut_off_is_meant_and_refused_by_name(tmp_path: Path) -> None:
    nested = '{"results": ' + "[" * 100_000
    for number, text in enumerate([SHORT.read_text(encoding="utf-8")[:5000], "no JSON", nested]):
        path = tmp_path / f"{number}.json"
        path.write_text(text, encoding="utf-8")
        assert is_result_file(path)
        [problem] = problems(path)
        assert path.name in problem
