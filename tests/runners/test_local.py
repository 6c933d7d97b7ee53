"""Whatever an implementation does, the runner returns a result and the next case is unaffected."""

from __future__ import annotations

import fcntl
import os
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from dctbench.errors import UnavailableError, UsageError
from dctbench.machine import nvml
from dctbench.model import Case, CaseWarning, Isolation, Result, WarningCode
from dctbench.protocol import InspectRequest, TorchReply
from dctbench.runners import MeasureSpec, lane
from dctbench.runners.closing import Closing
from dctbench.runners.exchange import exchange
from dctbench.runners.interleave import Alternation, Turn
from dctbench.runners.launchers import Child, GoneError, _Lines
from dctbench.runners.local import LocalRunner, LocalSettings
from dctbench.runners.lock_files import VARIABLE
from dctbench.runners.locks import Lock
from dctbench.runners.output import Output
from dctbench.transforms import plan_dct
from dctbench.wording.warnings import message
from tests.support import SUPPORT

TRAINING = Case("none", 40, scope="layer", mode="train", task="mnist1d")
"""A training that is unsupported, which is found in the place where it would run."""
QUICK = {"warmup_least": 0.0, "warmup_most": 0.01, "budget": 0.01, "samples_least": 3}


@pytest.fixture(scope="module")
def runner() -> Iterator[LocalRunner]:
    """One for all tests, as a sweep has: whatever a case does, the runner serves the next."""
    with pytest.MonkeyPatch.context() as patch:
        made = make_runner(patch, timeout=60)
    with made:
        yield made


def make_runner(monkeypatch: pytest.MonkeyPatch, timeout: float) -> LocalRunner:
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return LocalRunner(LocalSettings(case_timeout=timeout, sampling=QUICK))


def measured(runner: LocalRunner, implementation: str) -> Result:
    return landed(runner, runner.submit(Case(implementation, 16, heads=2, head_dim=8), MeasureSpec(1)))


def landed(runner: LocalRunner, future: Future[Result]) -> Result:
    assert runner.wait([future], timeout=120) == {future}
    return future.result()


def test_a_case_has_every_metric_and_details_of_the_call(runner: LocalRunner) -> None:
    result = measured(runner, "sdpa")
    assert (result.status, result.message) == ("ok", None)
    assert not [text for text in map(message, result.warnings) if not text.startswith("latency: ")]
    assert {m.metric for m in result.measurements} == {
        "setup", "first_call", "latency", "memory.tensor", "memory.state", "flops", "error.noise", "error.smooth",
        "cosine.noise", "cosine.smooth",
    }  # fmt: skip
    latency = result.measurement("latency")
    assert latency is not None
    assert len(latency.samples) >= 3
    assert min(latency.samples) > 0
    flops = result.measurement("flops")
    assert flops is not None
    assert list(flops.samples) == [8 * 16 * 16**2 + 4 * 16**2 * 16]
    assert result.details.flops_analytic == flops.samples[0]
    assert result.details.threads == 1
    assert result.fingerprint == runner.environment.fingerprint


def test_the_planner_chooses_by_the_given_rates_and_the_result_tells_them_apart(runner: LocalRunner) -> None:
    fast_fft = {"call": 0.0, "gemm": 1.0, "small_gemm": 1.0, "fft": 1e18, "bandwidth": 1e18}
    slow_fft = {**fast_fft, "gemm": 1e18, "small_gemm": 1e18, "fft": 1.0}
    found = {}
    for name, rates in (("shipped", None), ("fast", fast_fft), ("again", dict(fast_fft)), ("slow", slow_fft)):
        result = runner.submit(Case("dct-x", 512, 4), MeasureSpec(2, rates=rates)).result(timeout=120)
        found[name] = (result.details.plan, result.details.plan_rates)
    assert found["shipped"] == (str(plan_dct(512, 128, 512)), None)
    assert found["fast"][0] == "rfft"
    assert found["slow"][0] != "rfft"
    assert found["fast"] == found["again"]
    assert len({rates for _, rates in found.values()}) == 3
    without = runner.submit(Case("sdpa", 64), MeasureSpec(2, rates=fast_fft)).result(timeout=120)
    assert (without.details.plan, without.details.plan_rates) == (None, None)


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("Raises", "error", "KeyError: 'weights' (hostile.py:"),
        ("Exits", "error", "called sys.exit(3)"),
        ("Vanishes", "error", "ended without a result (exit code 0)"),
        ("Segfaults", "error", "SIGSEGV"),
        ("KillsItself", "error", "SIGKILL (probably out of memory)"),
        ("ForksAndDies", "error", "ended without a result (exit code 7)"),
        ("GivesNaN", "error", "NaN"),
        ("WrongShape", "error", "shape (1, 15, 16), expected (1, 16, 16)"),
        ("NoTensor", "error", "is a list, not a tensor"),
        ("CachesItsOutput", "error", "does not depend on its input"),
        ("RunsOutOfMemory", "oom", "one tensor of 1,152,921,504,606,846,976 bytes"),
        ("WrongConstructor", "error", "WrongConstructor does not accept seq_len"),
        ("NotAModule", "error", "is not a torch.nn.Module"),
        ("Absent", "error", "has no 'Absent'"),
    ],
)
def test_every_misbehaviour_is_a_result_with_its_cause(runner: LocalRunner, name: str, status: str, words: str) -> None:
    result = measured(runner, f"hostile:{name}")
    assert result.status == status
    assert words in str(result.message)
    assert result.measurements == ()


def test_a_segfault_keeps_its_stack_trace(runner: LocalRunner) -> None:
    assert "in forward" in (measured(runner, "hostile:Segfaults").details.output or "")


def test_the_output_of_an_implementation_does_not_mix_with_the_response(runner: LocalRunner) -> None:
    assert measured(runner, "hostile:Prints").status == "ok"


def test_torch_is_imported_once_a_round_however_many_cases_there_are(runner: LocalRunner) -> None:
    def importers(round: int) -> set[int | None]:
        names = ("none", "sdpa", "hostile:Segfaults", "none")
        cases = [Case(name, 16 + i, heads=2, head_dim=8) for i, name in enumerate(names)]
        done = [runner.submit(case, MeasureSpec(round)).result(timeout=120) for case in cases]
        assert {one.details.isolation for one in done} == {"zygote"}
        return {one.details.torch_imported_by for one in done}

    first, second = importers(1), importers(2)
    assert len(first) == len(second) == 1
    assert first != second


def test_fresh_processes_import_torch_for_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with LocalRunner(LocalSettings(sampling=QUICK, isolation="fresh")) as runner:
        done = [measured(runner, "none") for _ in range(2)]
    assert [(one.status, one.details.isolation) for one in done] == [("ok", "fresh")] * 2
    assert len({one.details.torch_imported_by for one in done}) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="zygotes are forked on Linux only")
def test_torchs_compiler_is_imported_before_the_fork_where_flops_are_counted_and_nowhere_else(
    runner: LocalRunner,
) -> None:
    case = Case("hostile:Compiler", 16, heads=2, head_dim=8)
    found = [str(runner.submit(case, MeasureSpec(round)).result(timeout=120).message) for round in (1, 2)]
    assert ["torch's compiler: True" in found[0], "torch's compiler: False" in found[1]] == [True, True]


def test_a_response_that_came_while_this_process_was_stopped_is_not_a_timeout() -> None:
    ours, theirs = socket.socketpair()
    ending, living = socket.socketpair()
    with ours, theirs, ending, living, Output() as output:
        theirs.sendall(b'{"status": "ok"}\n')
        child = Child(ours, os.getpid(), os.getpid(), _Lines(ending, Closing()))
        assert exchange(child, InspectRequest(), -10.0, output) == b'{"status": "ok"}\n'


def test_an_interpreter_that_is_removed_is_an_error_with_a_message(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    with LocalRunner(LocalSettings(), python=str(python)) as runner:
        python.unlink()
        with pytest.raises(UnavailableError, match="no process could be started: No such file"):
            runner.ask(InspectRequest(), TorchReply, 60)


def test_control_characters_in_a_foreign_lock_file_are_not_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    path = tmp_path / "dctbench-odd.lock"
    path.write_bytes(b"\xff\x1b[31mevil")
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        lock = Lock("odd")
        assert not lock.take()
        assert lock.holder == "\ufffd[31mevil"


def test_a_zygote_that_dies_between_cases_is_replaced(runner: LocalRunner) -> None:
    assert measured(runner, "none").status == "ok"
    assert runner._lane.zygote is not None
    os.kill(runner._lane.zygote.pid, signal.SIGKILL)
    after = [measured(runner, "none") for _ in range(2)]
    assert [(one.status, one.details.isolation) for one in after] == [("ok", "fresh"), ("ok", "zygote")]


def test_a_case_waits_while_another_run_measures_on_its_device_and_this_thread_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    messages: list[str] = []
    threads: list[threading.Thread] = []
    lock = (tmp_path / "dctbench-cpu.lock").open("w+")
    fcntl.flock(lock, fcntl.LOCK_EX)
    lock.write("process 4711")
    lock.flush()
    settings = LocalSettings(sampling=QUICK)

    def unlock(text: str) -> None:
        messages.append(text)
        threads.append(threading.current_thread())
        fcntl.flock(lock, fcntl.LOCK_UN)

    with LocalRunner(settings, on_wait=unlock) as waiting:
        assert measured(waiting, "none").status == "ok"
    assert messages == ["waiting for cpu: process 4711 is measuring on it; press Ctrl-C to stop this run"]
    assert threads == [threading.current_thread()]
    lock.close()


def test_trainings_wait_while_another_run_times_a_case_and_one_of_them_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    messages: list[str] = []
    with (tmp_path / "dctbench-cpu.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        def unlock(text: str) -> None:
            messages.append(text)
            fcntl.flock(held, fcntl.LOCK_UN)

        with LocalRunner(LocalSettings(jobs=2), on_wait=unlock) as waiting:
            futures = [waiting.submit(TRAINING, MeasureSpec(seed)) for seed in (1, 2)]
            for future in futures:
                assert waiting.wait([future], timeout=300) == {future}
                assert future.result().status == "unsupported"
    assert messages == ["waiting for cpu: another process is measuring on it; press Ctrl-C to stop this run"]


def test_a_timed_case_waits_for_the_trainings_of_another_run_and_trainings_do_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    messages: list[str] = []
    other = Lock("cpu")
    assert other.take(shared=True)

    def unlock(text: str) -> None:
        messages.append(text)
        other.release()

    with LocalRunner(LocalSettings(), on_wait=unlock) as runner:
        assert runner.submit(TRAINING, MeasureSpec(1)).result(timeout=300).status == "unsupported"
        assert messages == []
        with runner.hold(["cpu"]):  # as a timed case does
            assert len(messages) == 1
    [told] = messages
    assert told.startswith(f"waiting for cpu: process {os.getpid()} (")


def test_a_training_that_has_a_turn_does_not_wait_for_the_device_that_its_caller_holds(runner: LocalRunner) -> None:
    with runner.hold(["cpu"]):
        trained = runner.submit(TRAINING, MeasureSpec(1), Turn(Alternation(), 0))
        assert trained.result(timeout=300).status == "unsupported"


def test_a_case_with_ranks_has_the_gpus_of_all_of_them_in_one_order_for_all_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`cuda:1` is GPU-a and comes first, whichever of the two a run calls its first."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    gpus = {"cuda:0": "GPU-b", "cuda:1": "GPU-a"}
    monkeypatch.setattr(nvml, "physical", lambda device, variables=None: gpus[device])
    messages: list[str] = []
    free: list[bool] = []
    with (tmp_path / "dctbench-GPU-b.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        def unlock(text: str) -> None:
            other = Lock("GPU-a")
            messages.append(text)
            free.append(other.take())
            other.release()
            fcntl.flock(held, fcntl.LOCK_UN)

        with LocalRunner(LocalSettings(sampling=QUICK), on_wait=unlock) as waiting:
            case = Case("sdpa", 16, heads=2, head_dim=8, device="cuda:0", ranks=2)
            assert landed(waiting, waiting.submit(case, MeasureSpec(1))).status == "skipped"
    assert messages == ["waiting for cuda:0: another process is measuring on it; press Ctrl-C to stop this run"]
    assert free == [False]


def test_the_next_case_is_unaffected(runner: LocalRunner) -> None:
    assert [measured(runner, name).status for name in ("hostile:Segfaults", "none")] == ["error", "ok"]


def test_a_method_without_shared_projections_has_no_error_and_a_warning(runner: LocalRunner) -> None:
    result = measured(runner, "hostile:Good")
    assert result.status == "ok"
    assert result.measurement("error.noise") is not None
    fnet = measured(runner, "fnet")
    assert fnet.measurement("error.noise") is None
    assert CaseWarning(WarningCode.NO_SHARED_WEIGHTS) in fnet.warnings


@pytest.mark.parametrize("name", ["HangsInC", "LeavesAChild"])
def test_a_hang_ends_at_the_timeout_with_its_process_group(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with make_runner(monkeypatch, timeout=6) as runner:
        future = runner.submit(Case(f"hostile:{name}", 16, heads=2, head_dim=8), MeasureSpec(1))
        group = wait_for_child(runner)
        result = future.result(timeout=60)
        assert (result.status, result.message) == ("timeout", "timeout after 6 s")
        assert_gone(group)


def test_closing_the_runner_ends_a_running_case(monkeypatch: pytest.MonkeyPatch) -> None:
    with make_runner(monkeypatch, timeout=600) as runner:
        runner.submit(Case("hostile:HangsInC", 16, heads=2, head_dim=8), MeasureSpec(1))
        group = wait_for_child(runner)
    assert_gone(group)


def test_implementations_are_described_without_importing_torch_here(runner: LocalRunner) -> None:
    case = Case("dct-x", 64, 4, heads=2, head_dim=8)
    facts = runner.describe(["hostile:Good", "sdpa"], [case, Case("hostile:Good", 64)])
    assert {name: method.uses_ratio for name, method in facts.methods.items()} == {
        "hostile:Good": True,
        "sdpa": False,
        "dct-x": True,
    }
    assert facts.flops[case] is not None
    assert facts.flops[Case("hostile:Good", 64)] is None


def test_an_implementation_that_cannot_be_loaded_is_refused_when_planning(runner: LocalRunner) -> None:
    with pytest.raises(UsageError, match="importing nowhere_at_all failed"):
        runner.describe(["nowhere_at_all:Layer"], [])


def test_the_current_folder_is_not_searched_for_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('hostile json')")
    monkeypatch.chdir(tmp_path)
    with make_runner(monkeypatch, timeout=60) as runner:
        assert measured(runner, "none").status == "ok"


def wait_for_child(runner: LocalRunner) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        child = runner._lane.child
        if child is not None and psutil.pid_exists(child.pid):
            return child.pid
        time.sleep(0.01)
    raise AssertionError("no child was started")


def assert_gone(group: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        alive = [p.pid for p in psutil.process_iter() if group_of(p.pid) == group and p.status() != "zombie"]
        if not alive:
            return
        time.sleep(0.05)
    raise AssertionError(f"processes of group {group} are still there: {alive}")


def group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except (ProcessLookupError, PermissionError):
        return None


@pytest.mark.parametrize(
    ("jobs", "free", "expected"),
    [(None, 4 << 30, 8), (None, 300 << 20, 1), (None, 64 << 30, 16), (None, None, 16), (16, 300 << 20, 16)],
)
def test_memory_may_allow_fewer_trainings_at_a_time_than_cores_and_then_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, jobs: int | None, free: int | None, expected: int
) -> None:
    monkeypatch.setattr("dctbench.machine.host.usable_cores", lambda: 16)
    monkeypatch.setattr("dctbench.machine.host.memory_available", lambda: free)
    said: list[str] = []
    with LocalRunner(LocalSettings(jobs=jobs), said.append) as made:
        assert [made.jobs(TRAINING), made.jobs(TRAINING), made.jobs(Case("sdpa", 64))] == [expected, expected, 1]
    assert len(said) == (expected < 16)
    assert all(f"{expected} training" in text and "at a time on 16 cores" in text for text in said)


@pytest.mark.parametrize("isolation", ["zygote", "auto"])
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_processes_that_are_not_forked_though_that_was_asked_for_are_told_once(
    monkeypatch: pytest.MonkeyPatch, isolation: Isolation, platform: str
) -> None:
    def broken(*_: object) -> None:
        raise GoneError("it did not start")

    monkeypatch.setattr(lane, "sys", SimpleNamespace(platform=platform))
    monkeypatch.setattr(lane, "Zygote", broken)
    said: list[str] = []
    with LocalRunner(LocalSettings(isolation=isolation), said.append) as made:
        for number in (1, 2):
            made.wait([made.ready("cpu", number)], timeout=60)  # type: ignore[list-item]
        made.wait([], timeout=0)
    assert len(said) == (isolation == "zygote")
    because = "it did not start" if platform == "linux" else "only Linux"
    assert all("--isolation zygote" in text and because in text for text in said)
