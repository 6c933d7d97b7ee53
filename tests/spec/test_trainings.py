"""What a task brings into a plan: its shapes, the controls, and the latency of the same layers."""

from __future__ import annotations

from pathlib import Path

import pytest

from dctbench import catalog
from dctbench.app.requests import RunRequest
from dctbench.catalog.tasks import TASKS
from dctbench.errors import UsageError
from dctbench.model import Case
from dctbench.spec import suites
from dctbench.spec.axes import AxisValues
from dctbench.spec.trainings import check_trainable, expand_trainings, with_controls

FACTS = {name: entry.facts for name, entry in TASKS.items() if entry.facts is not None}


def cases(axes: AxisValues, suite: str = "quick") -> list[Case]:
    resolved = RunRequest(suite=suite, axes=axes).resolved_suite
    check_trainable(resolved.axes)
    return expand_trainings(with_controls(resolved.axes), catalog.IMPLEMENTATIONS, FACTS)


def test_a_task_has_its_own_length_batch_and_small_model_whatever_the_suite_measures() -> None:
    found = cases(AxisValues(task="mnist1d/scrambled", impl="dct-x", ratio="4"))
    trained = [case for case in found if case.task]
    assert {(c.scope, c.mode, c.seq_len, c.batch, c.heads, c.head_dim, c.task) for c in trained} == {
        ("encoder", "train", 40, 50, 4, 16, "mnist1d/scrambled")
    }
    assert [(c.implementation, c.ratio) for c in trained] == [
        ("dct-x", 4), ("sdpa", None), ("none", None), ("pool", 4), ("pool-kv", 4),
    ]  # fmt: skip
    timed = [case for case in found if case.task is None]
    assert timed == [case.layer_case for case in trained]
    assert {(c.scope, c.mode, c.seq_len, c.batch) for c in timed} == {("layer", "forward", 40, 50)}


def test_asked_shapes_replace_those_of_the_task() -> None:
    found = cases(AxisValues(task="acuity", impl="linear", seq="128", batch="8", heads="2", head_dim="32", ratio="4"))
    assert {(c.seq_len, c.batch, c.heads, c.head_dim) for c in found} == {(128, 8, 2, 32)}


def test_without_a_ratio_nothing_is_pooled() -> None:
    axes = {**suites.DEFAULT_AXES, "impl": ["linear"], "kept": ["default"]}
    assert with_controls(axes)["impl"] == ["linear", "sdpa", "none"]
    assert with_controls({**axes, "kept": [16]})["impl"] == ["linear", "sdpa", "none", "pool", "pool-kv"]


def test_threads_and_a_schedule_are_for_the_timed_layers_alone() -> None:
    found = cases(AxisValues(task="acuity", impl="sdpa", threads="1,2", period="20ms,40ms", deadline="10ms"))
    trained = [case for case in found if case.task]
    assert {(c.threads, c.period, c.deadline) for c in trained} == {(None, None, None)}
    assert len(trained) == len({case.name for case in trained})
    assert {(c.threads, c.period, c.deadline) for c in found if c.task is None} == {
        (threads, period, 0.01) for threads in (1, 2) for period in (0.02, 0.04)
    }
    assert {(c.period, c.threads) for c in cases(AxisValues(task="acuity"), "realtime") if c.task} == {(None, None)}


@pytest.mark.parametrize(
    ("axis", "value", "remedy"),
    [
        ("scope", "layer", "encoder"),
        ("mode", "forward", "train"),
        ("engine", "compile", "eager"),
        ("dtype", "bfloat16", "float32"),
    ],
)
def test_what_no_task_trains_is_refused(axis: str, value: str, remedy: str) -> None:
    with pytest.raises(UsageError, match=f"^--{axis} {value}: a task trains an encoder") as refused:
        cases(AxisValues(task="acuity", impl="sdpa", **{axis: value}))
    assert refused.value.hint == f"give --{axis} {remedy}, or leave out --task"


def test_remedies_also_help_against_values_of_a_suite() -> None:
    given: dict[str, str] = {}
    for axis, remedy in (("engine", "eager"), ("dtype", "float32")):
        with pytest.raises(UsageError, match=f"^--{axis} ") as refused:
            cases(AxisValues(task="acuity", impl="sdpa", **given), "gpu")
        assert refused.value.hint == f"give --{axis} {remedy}, or leave out --task"
        given[axis] = remedy
    assert cases(AxisValues(task="acuity", impl="sdpa", **given), "gpu")


@pytest.mark.parametrize(
    ("suite", "given", "said"),
    [
        ("quick", {"model": "minilm"}, "--model minilm"),
        ("minilm", {}, "--model minilm"),
        ("quick", {"layers": "0,2"}, "--layers 0,2"),
        ("quick", {"keep_first": "0"}, "--keep-first 0"),
        ("quick", {"recover": "20"}, "--recover 20"),
        ("parallel", {}, "--ranks 1"),
    ],
)
def test_a_model_and_ranks_do_not_go_with_a_task(suite: str, given: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        cases(AxisValues(task="acuity/shift", **given), suite)
    assert refused.value.message == f"{said} does not go with --task: a task trains a small model of its own"
    assert refused.value.hint == "train in a run of its own, such as dctbench run --task acuity/shift"


def test_tasks_leave_a_training_time_unless_someone_says_otherwise(tmp_path: Path) -> None:
    asked = AxisValues(task="acuity")
    assert RunRequest(axes=asked).resolved_suite.settings.case_timeout == 3600
    assert RunRequest(axes=asked, case_timeout=60).resolved_suite.settings.case_timeout == 60
    assert suites.override(suites.load("ci"), asked).settings.case_timeout == 3600  # ends its own cases after 60 s
    patient = suites.parse('[axes]\nimpl = "sdpa"\nseq = 64\n[settings]\ncase_timeout = "2h"\n', "x.toml")
    assert suites.override(patient, asked).settings.case_timeout == 7200
    text = '[axes]\nimpl = "sdpa"\ntask = "acuity"\n[settings]\njobs = 3\n'
    suite = suites.parse(text, "x.toml")
    assert (suite.settings.case_timeout, suite.settings.jobs) == (3600, 3)
    assert suites.parse(text + 'case_timeout = "9s"\n', "x.toml").settings.case_timeout == 9
    with pytest.raises(UsageError, match=r"settings.jobs must be a whole number"):
        suites.parse(text.replace("3", "0"), "x.toml")
    with pytest.raises(UsageError, match=r"\[axes\] has no 'seq'"):
        suites.parse('[axes]\nimpl = "sdpa"\n', "x.toml")


@pytest.mark.parametrize(("name", "tasks", "methods"), [("accuracy", 4, 12), ("accuracy-long", 6, 20)])
def test_the_suites_of_accuracy_have_as_many_tasks_and_methods_as_they_say(name: str, tasks: int, methods: int) -> None:
    trained = [case for case in cases(AxisValues(), name) if case.task is not None]
    assert len({case.task for case in trained}) == tasks
    assert len({case.name for case in trained}) == methods
    assert len(trained) == tasks * methods
    assert suites.load(name).settings.rounds == (3 if name == "accuracy" else 10)
