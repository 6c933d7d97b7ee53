"""Shards in one store: none takes over the cases of another, and each goes on with its own command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from dctbench.app import resume as resume_module
from dctbench.app import run as run_module
from dctbench.app.requests import ResumeRequest, RunRequest, Where
from dctbench.app.resume import resume
from dctbench.app.run import run
from dctbench.errors import CannotJudgeError, InterruptedRunError, UsageError
from dctbench.model import Environment, Shards
from dctbench.spec.axes import AxisValues
from dctbench.store import open_store
from tests.support.made import ENVIRONMENT, FACTS, result
from tests.support.scripted import Describing

CLUSTER = Where(runner="ray", address="10.0.0.1:6379", require_same_cpu=True, timeout=90)
CLUSTER_FLAGS = "--runner ray --address 10.0.0.1:6379 --require-same-cpu --runner-timeout 90s"


def interrupt(*_: Any, **__: Any) -> NoReturn:
    raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def interrupted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "open_runner", lambda *_: Describing(lambda case, round: result(), 10**6))
    monkeypatch.setattr(run_module, "measure", interrupt)
    monkeypatch.setattr(resume_module, "open_runner", interrupt)


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "results.sqlite")


def begin(store: str, number: int | None, of: int, where: Where = CLUSTER, rounds: int = 1) -> str | None:
    """Begin a shard, or a whole run, and return the hint of its interruption."""
    shard = None if number is None else Shards(frozenset({number}), of)
    command = ("run", "--label", "my nightly", *([] if shard is None else ["--shard", str(shard)]))
    axes = AxisValues(impl="sdpa", seq=(64, 128, 256), heads=(2,), head_dim=(8,))
    request = RunRequest(
        axes=axes, rounds=rounds, label="my nightly", shard=shard, store=store, command=command, where=where
    )
    with pytest.raises(InterruptedRunError) as ended:
        run(request)
    return ended.value.hint


def finish(store: str) -> None:
    with open_store(store) as opened:
        [state] = opened.runs()
        opened.add_environment(state.run.id, ENVIRONMENT)
        for case in opened.planned_rounds(state.run.id):
            failed = replace(result(seconds=None, status="error", message="no"), case=case)
            opened.add_result(state.run.id, failed)


@pytest.mark.parametrize("begun", [1, 2], ids=["one has begun", "all have begun"])
def test_an_interrupted_shard_names_its_own_command_and_no_resume_takes_over_another(store: str, begun: int) -> None:
    for number in range(1, begun + 1):
        hint = begin(store, number, 2)
        assert hint == f"continue the shard with: dctbench run --label 'my nightly' --shard {number}/2"
    with pytest.raises(UsageError, match="is divided into shards, and another machine may be measuring") as refused:
        resume(ResumeRequest(store=store))
    first = "dctbench run --label 'my nightly' --shard 1/2"
    assert refused.value.hint == f"continue each shard with its own command, such as: {first}"


def test_no_resume_takes_over_another_shard_on_a_server(url: str) -> None:
    begin(url, 1, 2)
    with pytest.raises(UsageError, match="is divided into shards, and another machine may be measuring"):
        resume(ResumeRequest(store=url))


OTHER = Environment({**FACTS, "cpu": "Other CPU"}, "e" * 16)


def test_a_shard_goes_on_where_any_of_the_nodes_is_like_each_that_began_it(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(store, 2, 2, rounds=2)
    with open_store(store) as opened:
        [state] = opened.runs()
        first, *_ = opened.planned_rounds(state.run.id)
        opened.add_environment(state.run.id, OTHER)
        opened.add_result(state.run.id, replace(result(), case=first, fingerprint=OTHER.fingerprint))
    axes = AxisValues(impl="sdpa", seq=(64, 128, 256), heads=(2,), head_dim=(8,))
    request = RunRequest(axes=axes, rounds=2, label="my nightly", shard=Shards(frozenset({2}), 2), store=store,
                         command=("run", "--label", "my nightly", "--shard", "2/2"), where=CLUSTER)  # fmt: skip
    with pytest.raises(CannotJudgeError, match="was started in another environment"):
        run(request)

    class Mixed(Describing):
        several = True
        environments = (ENVIRONMENT, OTHER)

    monkeypatch.setattr(run_module, "open_runner", lambda *_: Mixed(lambda case, round: result(), 10**6))
    with pytest.raises(InterruptedRunError):  # by what measures, which comes after all that is refused
        run(request)


def test_what_a_node_has_begun_is_not_finished_on_this_machine(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(store, None, 1, rounds=2)
    with open_store(store) as opened:
        [state] = opened.runs()
        run_id = state.run.id
        first, second, _ = opened.planned_rounds(run_id)
        for environment in (ENVIRONMENT, OTHER):
            opened.add_environment(run_id, environment)
        for number in (1, 2):  # all of its unit
            opened.add_result(run_id, replace(result(round=number), case=first, fingerprint=OTHER.fingerprint))

    class Nodes(Describing):
        several = True

    def resume_on(kind: type[Describing]) -> None:
        monkeypatch.setattr(resume_module, "open_runner", lambda *_: kind(lambda case, round: result(), 10**6))
        resume(ResumeRequest(store=store))

    monkeypatch.setattr(resume_module, "measure", interrupt)
    with pytest.raises(InterruptedRunError):  # nothing that is unfinished was begun elsewhere
        resume_on(Describing)
    with open_store(store) as opened:
        opened.add_result(run_id, replace(result(), case=second, fingerprint=OTHER.fingerprint))
    with pytest.raises(CannotJudgeError, match=r"begun in another environment \(eeeeeeeeeeeeeeee") as refused:
        resume_on(Describing)
    assert "--runner ray --address" in str(refused.value.hint)
    with pytest.raises(InterruptedRunError):
        resume_on(Nodes)


def test_failures_of_shards_that_have_ended_can_be_tried_again(store: str) -> None:
    for number in (1, 2):
        begin(store, number, 2)
    finish(store)
    with pytest.raises(InterruptedRunError):  # by the runner, which comes after all that is refused
        resume(ResumeRequest(store=store, retry_failed=True, save_baseline="main"))


def test_an_interrupted_retry_of_a_shard_is_gone_on_with_as_a_retry(store: str) -> None:
    begin(store, 1, 2)
    finish(store)
    with pytest.raises(InterruptedRunError) as ended:
        resume(ResumeRequest(store=store, retry_failed=True))
    hint = ended.value.hint or ""
    assert "dctbench run --resume" in hint
    assert "--retry-failed" in hint


def test_a_part_of_a_run_becomes_no_baseline_by_resuming_it(store: str) -> None:
    begin(store, 1, 2)
    finish(store)
    with pytest.raises(UsageError, match=r"^--save-baseline: shard 1/2 is a part of a run$"):
        resume(ResumeRequest(store=store, retry_failed=True, save_baseline="main"))


def test_the_printed_command_resumes_on_the_cluster_that_the_run_was_on(store: str) -> None:
    hint = begin(store, None, 1)
    with open_store(store) as opened:
        [state] = opened.runs()
    begun = f"resume it with: dctbench run --resume {state.run.short_id}"
    assert hint == f"{begun} {CLUSTER_FLAGS} --store {store}"
    with pytest.raises(InterruptedRunError) as again:
        resume(ResumeRequest(store=store, where=CLUSTER))
    assert again.value.hint == hint
    with pytest.raises(InterruptedRunError) as here:
        resume(ResumeRequest(store=store))
    assert here.value.hint == f"{begun} --store {store}"
