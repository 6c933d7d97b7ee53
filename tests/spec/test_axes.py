"""The axes by their flags: what words they take, and which values a user's own replace."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click
import pytest

from dctbench.catalog.tasks import TASKS
from dctbench.cli.commands.list import command
from dctbench.errors import UsageError
from dctbench.model import Case
from dctbench.spec import axes
from dctbench.spec.axes import AxisValues
from tests.support import ROOT


@pytest.mark.parametrize(
    ("typed", "devices"),
    [
        (["cuda"], ["cuda:0"]),
        (["cuda:01, cpu"], ["cuda:1", "cpu"]),
        (["cpu", "cuda:0,cuda", "mps", "cpu"], ["cpu", "cuda:0", "mps"]),
    ],
)
def test_a_gpu_has_a_number_and_each_device_is_named_once(typed: Sequence[str], devices: list[str]) -> None:
    assert axes.words("device", typed) == devices


@pytest.mark.parametrize("word", ["cpu:0", "mps:1", "cuda:", "cuda:x", "cuda:1.5", "cuda:²"])
def test_only_gpus_are_numbered(word: str) -> None:
    with pytest.raises(UsageError) as refused:
        axes.words("device", [word])
    assert refused.value.message == f"device {word!r}: only GPUs are numbered, as in cuda:0"
    assert refused.value.hint == "known: cpu, cuda, mps"


def test_a_number_of_more_digits_than_python_converts_is_no_gpu() -> None:
    with pytest.raises(UsageError) as refused:
        axes.words("device", ["cuda:" + "9" * 4301])
    assert refused.value.message == f"device 'cuda:{'9' * 32}...': no machine has that many GPUs"
    assert refused.value.hint == "number them from 0: cuda:0"
    assert axes.words("device", ["cuda:9999"]) == ["cuda:9999"]


@pytest.mark.parametrize(
    ("flag", "typed", "found"),
    [
        ("dtype", ["fp16,bf16"], ["float16", "bfloat16"]),
        ("dtype", [" float64 ", "float64"], ["float64"]),
        ("engine", ["eager,compile"], ["eager", "compile"]),
        ("layers", ["2,0", "3.."], ["0,2", "3.."]),
        ("model", ["minilm, package.module:make"], ["minilm", "package.module:make"]),
        ("input", ["ecg,noise", "ecg"], ["ecg", "noise"]),
        ("task", ["mnist1d,mnist1d"], ["mnist1d"]),
        ("task", ["*"], [name for name in TASKS if name != "pathfinder"]),  # which a CPU does not train in time
        ("task", ["path*"], ["pathfinder"]),
        ("impl", ["sdpa,full", "sdpa"], ["sdpa", "full"]),
    ],
)
def test_words_are_separated_by_commas_or_repeated_flags(flag: str, typed: Sequence[str], found: list[str]) -> None:
    assert axes.words(flag, typed) == found


@pytest.mark.parametrize(
    ("flag", "hint"),
    [
        ("mode", "known: forward, backward, train"),
        ("input", "known: noise, smooth, digits, photo, ecg, text, minilm"),
        ("task", "see `dctbench list tasks`"),
        ("model", "a model is package.module:function, hf:FOLDER, hf:NAME, or one of: minilm"),
    ],
)
def test_an_axis_without_a_word_says_which_there_are(flag: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        axes.words(flag, [" ,", ""])
    assert (refused.value.message, refused.value.hint) == (f"--{flag}: no value given", hint)


def test_the_lists_that_hints_name_exist() -> None:
    lists = command.list_commands(click.Context(command))
    for flag in axes.WORD_AXES.keys() - {"layers"}:  # its grammar has a hint of its own
        with pytest.raises(UsageError) as refused:
            axes.words(flag, [""])
        for name in re.findall("dctbench list ([a-z]+)", str(refused.value.hint)):
            assert name in lists


def test_the_example_of_a_suite_in_the_documents_names_every_axis() -> None:
    text = (ROOT / "docs" / "suites.md").read_text(encoding="utf-8")
    example = text.partition("# Axes are named like the flags.")[2].partition("[settings]")[0]
    assert axes.NUMERIC_AXES.keys() | axes.WORD_AXES.keys() <= set(re.findall(r"\w+", example))


@pytest.mark.parametrize(
    ("flag", "word"),
    [*((flag, "sideways") for flag in ("dtype", "scope", "mode", "engine", "device")), ("mode", "half")],
)
def test_an_unknown_word_is_named_as_it_was_typed_with_its_axis(flag: str, word: str) -> None:
    with pytest.raises(UsageError, match=f"^unknown {flag} {word!r}"):
        axes.words(flag, [word])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"seq": "512..2048"}, {"seq": [512, 1024, 2048]}),
        ({"seq": 64, "ratio": 2.5}, {"seq": [64], "ratio": [2.5]}),
        ({"seq": [128, 64, 64]}, {"seq": [64, 128]}),
        ({"kept": "default"}, {"kept": ["default"]}),
        ({"period": "20ms", "impl": "sdpa"}, {"period": [0.02], "impl": ["sdpa"]}),
        ({"period": [0.02, 1e-4], "deadline": 0.0001}, {"period": [1e-4, 0.02], "deadline": [1e-4]}),  # seconds
        ({"impl": ["sdpa", "full"], "device": "cuda"}, {"impl": ["sdpa", "full"], "device": ["cuda:0"]}),
    ],
)
def test_values_are_given_as_on_the_command_line_or_one_by_one(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert AxisValues(**given).given == expected


@pytest.mark.parametrize("text", ["33.3333ms", "16.666667ms", "100us", "0.5s"])
def test_values_that_were_read_once_are_read_again_as_the_same(text: str) -> None:
    read = AxisValues(period=text)
    assert AxisValues(period=read.period) == read
    assert replace(read, seq=512).given["period"] == read.given["period"]


def test_a_wrong_value_of_an_axis_names_its_flag() -> None:
    for axis, flag in (("seq", "--seq"), ("head_dim", "--head-dim"), ("keep_first", "--keep-first")):
        with pytest.raises(UsageError, match=f"^{flag} 'x'"):
            AxisValues(**{axis: "x"})


def test_every_axis_but_one_sets_a_field_of_a_case() -> None:
    case = Case("dct-x", 512, 8, batch=3)
    assert [axes.of(case, axis) for axis in ("impl", "seq", "ratio", "batch")] == ["dct-x", 512, 8, 3]
    others = [axis for axis in (*axes.NUMERIC_AXES, *axes.WORD_AXES) if not axes.is_field(axis)]
    assert others == ["keep_first"]
