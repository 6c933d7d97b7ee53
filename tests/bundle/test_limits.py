"""What ends the measurement of a case on a target: the time limit, a process that hangs, and the user."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest

from dctbench.bundle import target
from dctbench.bundle.board import STABLE
from dctbench.importers import json_document
from dctbench.model import SCHEMA_VERSION, Case

FACTS = {**dict.fromkeys(STABLE, "x"), "cores_usable": 4, "host": "board", "torch": None, "gpu": None}
OK = {"status": "ok", "message": None, "latency": [1e-3], "metrics": {}, "details": {"stop_reason": "budget"}}
BUNDLE: dict[str, Any] = {
    "id": "1", "left_out": [], "rounds": 1, "samples": 7, "schema_version": SCHEMA_VERSION, "label": None,
    "suite": "quick", "dctbench_version": "0", "releases": 100, "case_timeout": 60.0, "energy": True,
    "cases": [
        {"case_id": case.id, "name": case.name, "case": case.to_json()}
        for case in (Case("sdpa", n, heads=2, head_dim=8, engine="onnxruntime") for n in (8, 16))
    ],
}  # fmt: skip


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a bundle on a target, in which the program runs."""
    (tmp_path / "bundle.json").write_text(json.dumps(BUNDLE), encoding="utf-8")
    monkeypatch.setattr(target, "HERE", tmp_path)
    monkeypatch.setattr(target, "PACKAGES", ())
    monkeypatch.setattr("dctbench.bundle.board.environment", lambda: FACTS)
    monkeypatch.setattr(sys, "argv", ["run.py", "-o", str(tmp_path / "results.json")])
    return tmp_path


def answers(monkeypatch: pytest.MonkeyPatch, *given: dict[str, Any] | type[BaseException]) -> list[bool]:
    """Let the processes of cases give these results. Return the list of whether each was to measure energy."""
    left: Iterator[dict[str, Any] | type[BaseException]] = iter(given)
    asked: list[bool] = []

    def process(case_id: str, most: float, *, priority: bool, with_energy: bool) -> dict[str, Any]:
        asked.append(with_energy)
        found = next(left)
        if isinstance(found, dict):
            return found
        raise found

    monkeypatch.setattr(target, "in_a_process", process)
    return asked


@pytest.mark.parametrize(("limit", "samples"), [(35.0, 2), (15.0, 1), (5.0, 1)])
def test_no_call_begins_that_would_end_after_the_time_limit(
    monkeypatch: pytest.MonkeyPatch, limit: float, samples: int
) -> None:
    now = [0.0]

    def call(prepared: object) -> None:
        now[0] += 10

    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    found = target.sample(lambda number: number, call, 7, 10.0, lambda seconds: now[0] + seconds <= limit)
    assert found == ([10.0] * samples, 1, "limit")
    assert now[0] <= limit


def test_a_process_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = tmp_path / "run.py"
    hanging.write_text("import time; time.sleep(600)", encoding="utf-8")
    monkeypatch.setattr(target, "__file__", str(hanging))
    found = target.in_a_process("a", 0.2, priority=False, with_energy=False)
    assert (found["status"], found["message"], found["latency"]) == ("timeout", "timeout after 0.2 s", [])


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGKILL, "SIGKILL (probably out of memory)"), (signal.SIGABRT, "SIGABRT: a warning")]
)
def test_a_process_that_a_signal_ended_is_told_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    killed = tmp_path / "run.py"
    killed.write_text(
        f"import os, sys; print('a warning', file=sys.stderr, flush=True); os.kill(os.getpid(), {number})"
    )
    monkeypatch.setattr(target, "__file__", str(killed))
    found = target.in_a_process("a", 60, priority=False, with_energy=False)
    assert (found["status"], found["message"]) == ("error", said)


def test_output_that_is_no_text_is_told_as_far_as_it_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "run.py"
    program.write_text("import sys; sys.stderr.buffer.write(b'bad \\xff byte'); sys.exit(3)")
    monkeypatch.setattr(target, "__file__", str(program))
    assert target.in_a_process("a", 60, priority=False, with_energy=False)["message"] == "bad \ufffd byte"


def test_results_are_on_the_disk_before_they_get_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def synced(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")

    replacing = os.replace

    def renamed(*names: Path) -> None:
        done.append("renamed")
        replacing(*names)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    target.write(tmp_path / "results.json", {"a": 1})
    assert done == ["file", "renamed", "folder"]
    assert (tmp_path / "results.json").read_text() == '{\n "a": 1\n}\n'


def test_two_processes_do_not_add_to_one_file(
    board: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first one tries to start a second one while it measures."""
    path, codes = board / "results.json", list[int]()

    def process(case_id: str, most: float, **more: bool) -> dict[str, Any]:
        codes.append(target.main())
        return OK

    monkeypatch.setattr(target, "in_a_process", process)
    assert target.main() == 0
    assert codes == [2, 2]
    said = f"error: another process is adding to {path}; name another file with -o\n"
    assert capsys.readouterr().err == 2 * said
    answers(monkeypatch, OK, OK)
    assert target.main() == 0
    _, _, results = json_document.parse(path.read_bytes())
    assert sorted(one.round for one in results) == [1, 1, 2, 2]


def test_a_system_without_locks_measures_all_the_same(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    answers(monkeypatch, OK, OK)
    assert target.main() == 0
    assert not (board / "results.json.lock").exists()


def test_a_case_that_stays_failed_in_its_file_is_told_with_the_remedy(
    board: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(monkeypatch, OK, target.failure("error", "SIGKILL (probably out of memory)"), OK, OK)
    said = "has a failed round of 1 case, which more rounds do not mend: to measure anew, use -o NEW_FILE\n"
    for code in (4, 0):
        assert target.main() == code
        assert said in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["run.py", "-o", str(board / "new.json")])
    answers(monkeypatch, OK, OK)
    assert target.main() == 0
    assert said not in capsys.readouterr().out


@pytest.mark.parametrize(("held", "why"), [(None, "No such file or directory"), ("{", "it is damaged")])
def test_a_bundle_without_its_description_is_one_sentence(
    board: Path, capsys: pytest.CaptureFixture[str], held: str | None, why: str
) -> None:
    described = board / "bundle.json"
    described.unlink()
    if held is not None:
        described.write_text(held, encoding="utf-8")
    assert target.main() == 2
    said = f"error: {described} cannot be read: {why}; copy the whole folder of the bundle to this machine\n"
    assert capsys.readouterr().err == said


def test_a_process_has_five_time_limits_beside_its_schedule_and_less_than_24_days() -> None:
    assert target.longest({"period": None}, BUNDLE) == 300
    assert target.longest({"period": 0.02}, BUNDLE) == 302
    assert target.longest({"period": None}, {**BUNDLE, "case_timeout": 1e9}) < 24 * 86400


def test_a_timeout_is_a_result_and_exits_like_an_error(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, OK, target.failure("timeout", "timeout after 300 s"))
    assert target.main() == 4
    _, _, results = json_document.parse((board / "results.json").read_bytes())
    assert sorted(one.status for one in results) == ["ok", "timeout"]


def test_a_case_that_failed_is_not_tried_again_in_later_rounds(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--rounds", "3"])
    asked = answers(monkeypatch, OK, target.failure("timeout", "timeout after 300 s"), OK, OK)
    assert target.main() == 4
    assert len(asked) == 4
    _, _, results = json_document.parse((board / "results.json").read_bytes())
    by_case = {one.case.id: [(r.round, r.status) for r in results if r.case == one.case] for one in results}
    assert sorted(by_case.values()) == [[(1, "ok"), (2, "ok"), (3, "ok")], [(1, "timeout")]]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_said_in_a_sentence_and_keeps_the_results_so_far(
    board: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(monkeypatch, *[OK] * 4)
    assert target.main() == 0
    path = board / "results.json"
    before = path.read_bytes()
    (board / "results.json.part").symlink_to("/dev/full")
    capsys.readouterr()
    assert target.main() == 2
    said = f"error: {path} cannot be written: No space left on device; name another file with -o\n"
    assert capsys.readouterr().err == said
    assert path.read_bytes() == before


def test_an_interruption_keeps_the_cases_before_it_and_unequal_rounds_are_imported(
    board: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(monkeypatch, KeyboardInterrupt)
    assert target.main() == 130
    assert capsys.readouterr().err == "interrupted: nothing was measured\n"
    answers(monkeypatch, OK, OK)
    assert target.main() == 0
    answers(monkeypatch, OK, KeyboardInterrupt)
    assert target.main() == 130
    path = board / "results.json"
    assert capsys.readouterr().err == f"interrupted: {path} holds what was measured\n"
    _, _, results = json_document.parse(path.read_bytes())
    rounds = {one["case_id"]: [r.round for r in results if r.case.id == one["case_id"]] for one in BUNDLE["cases"]}
    assert sorted(rounds.values()) == [[1], [1, 2]]


def test_a_suite_without_energy_measures_none(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (board / "bundle.json").write_text(json.dumps({**BUNDLE, "energy": False}), encoding="utf-8")
    asked = answers(monkeypatch, OK, OK)
    assert target.main() == 0
    assert asked == [False, False]
    run, _, _ = json_document.parse((board / "results.json").read_bytes())
    assert (run.settings.energy, run.settings.case_timeout) == (False, 60.0)


def test_a_case_that_could_not_be_exported_keeps_its_status(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = BUNDLE["cases"]
    bundle = {**BUNDLE, "cases": [first], "left_out": [{**second, "status": "oom", "message": "out of memory"}]}
    (board / "bundle.json").write_text(json.dumps(bundle), encoding="utf-8")
    answers(monkeypatch, OK)
    assert target.main() == 0
    _, _, results = json_document.parse((board / "results.json").read_bytes())
    assert {one.case.id: (one.status, one.message, one.round) for one in results} == {
        first["case_id"]: ("ok", None, 1), second["case_id"]: ("oom", "it could not be exported: out of memory", 1),
    }  # fmt: skip


def test_a_second_file_and_an_equal_board_have_runs_of_their_own(tmp_path: Path) -> None:
    one, two = (target.new_document(BUNDLE, FACTS, priority=False) for _ in range(2))
    other = {**FACTS, "host": "its twin"}
    started = one["run"]["started_at"]
    ids = {one["run"]["id"], two["run"]["id"], target.run_id(BUNDLE, other, started, priority=False)}
    assert len(ids) == 3
    path = tmp_path / "results.json"
    target.write(path, one)
    assert target.earlier(path, BUNDLE, FACTS, priority=False) == one
    with pytest.raises(target.UsageError, match="holds results of another bundle or machine"):
        target.earlier(path, BUNDLE, other, priority=False)


def test_a_file_that_cannot_be_extended_is_a_usage_error(
    board: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(monkeypatch)
    path = board / "results.json"
    path.write_text("{}", encoding="utf-8")
    assert target.main() == 2
    said = f"error: {path} cannot be extended: it holds no results; name another file with -o\n"
    assert capsys.readouterr().err == said


class Session:
    """A session of ONNX Runtime whose model returns the expected output at once, and what it was told."""

    told = SimpleNamespace()

    def __init__(self, path: str, options: SimpleNamespace, providers: list[str]) -> None:
        Session.told = options

    def get_inputs(self) -> list[object]:
        return []

    def get_outputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="output")]

    def io_binding(self) -> SimpleNamespace:
        output = [numpy.ones(2)]
        return SimpleNamespace(bind_output=lambda name, device: None, copy_outputs_to_cpu=lambda: output)

    def run_with_iobinding(self, binding: object) -> None:
        pass


@pytest.mark.parametrize(("asked", "quota", "used"), [(None, None, 3), (None, 2.5, 2), (None, 0.5, 1), (2, None, 2)])
def test_a_case_that_names_no_threads_uses_all_usable_cores(
    board: Path, monkeypatch: pytest.MonkeyPatch, asked: int | None, quota: float | None, used: int
) -> None:
    monkeypatch.setattr("dctbench.machine.cgroup.cpu_quota", lambda: quota)
    engine = SimpleNamespace(SessionOptions=SimpleNamespace, InferenceSession=Session)
    monkeypatch.setitem(sys.modules, "onnxruntime", engine)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2}, raising=False)
    monkeypatch.setattr(target, "SAMPLING_SECONDS", 0.01)
    monkeypatch.setattr(target, "WARM_UP_SECONDS", 0.01)
    numpy.save(board / "output.npy", numpy.ones(2))
    (board / "a.onnx").touch()
    entry = {
        "case": {"threads": asked, "period": None}, "model": "a.onnx", "expected": "output.npy", "inputs": [[], []],
        "precision": "float32",
    }  # fmt: skip
    found = target.measure(entry, {**BUNDLE, "largest_difference": 1e-4}, priority=False, with_energy=False)
    assert (found["status"], found["details"]["threads"]) == ("ok", used)
    assert Session.told.intra_op_num_threads == used
