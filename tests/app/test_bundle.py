"""Making a bundle: the folder is there whole or not at all, and its cases have names that distinguish them."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dctbench.app import bundle as app
from dctbench.app.requests import RunRequest
from dctbench.errors import UsageError
from dctbench.model import Case
from dctbench.protocol import BundledCase, BundleReply, BundleRequest
from dctbench.scheduler.events import Notice
from dctbench.spec import suites
from dctbench.spec.axes import AxisValues

CASES = [Case("sdpa", 32, heads=2, head_dim=8, engine=engine) for engine in ("onnxruntime", "onnxruntime-int8")]
REQUEST = RunRequest(suite="realtime")


@dataclass
class Exporter:
    """A runner whose process exports nothing, and replies what it was made with."""

    reply: BundleReply

    def ask(self, request: BundleRequest, kind: object, seconds: float) -> BundleReply:
        (Path(request.folder) / "model-cache.onnx").touch()
        return self.reply


def exporting(monkeypatch: pytest.MonkeyPatch, cases: list[Case], replies: list[BundledCase]) -> None:
    @contextmanager
    def runner(*words: object) -> Iterator[Exporter]:
        yield Exporter(BundleReply(replies))

    monkeypatch.setattr(app, "local_runner", runner)
    monkeypatch.setattr(app, "make_plan", lambda *words: SimpleNamespace(cases=cases))
    monkeypatch.setattr("dctbench.catalog.engines.require", lambda names: None)


@pytest.fixture
def unplanned(monkeypatch: pytest.MonkeyPatch) -> None:
    def planned(*words: object) -> Any:
        raise AssertionError("it was planned")

    exporting(monkeypatch, [], [])
    monkeypatch.setattr(app, "make_plan", planned)


def test_what_a_bundle_that_was_killed_has_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    left = tmp_path / ".dctbench-bundle-abcd1234"
    (left / "bundle").mkdir(parents=True)
    (left / "bundle" / "model-1.onnx").touch()
    (tmp_path / ".bundle-cache").mkdir()  # somebody else's
    with app._whole(tmp_path / "mine") as partial:
        assert not left.exists()
        (partial / "run.py").touch()
    assert {path.name for path in tmp_path.iterdir()} == {"mine", ".bundle-cache"}


@pytest.mark.usefixtures("unplanned")
@pytest.mark.parametrize(
    ("name", "said"), [("file/made", "Not a directory"), ("x" * 300, "File name too long")], ids=["parent", "long"]
)
def test_a_folder_that_cannot_be_written_is_refused_before_the_planning(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError) as raised:
        app.bundle(REQUEST, tmp_path / name)
    assert (raised.value.message, raised.value.hint) == (
        f"cannot write {tmp_path / name}: {said}", "name another folder with -o",
    )  # fmt: skip


@pytest.mark.usefixtures("unplanned")
@pytest.mark.parametrize(
    "asked",
    [RunRequest(suite="accuracy"), RunRequest(suite="realtime", axes=AxisValues(task="acuity"))],
    ids=["of the suite", "typed"],
)
def test_a_bundle_trains_nothing(tmp_path: Path, asked: RunRequest) -> None:
    with pytest.raises(UsageError, match=r"^--task acuity: a bundle trains nothing$") as raised:
        app.bundle(asked, tmp_path / "made")
    assert raised.value.hint == "leave out --task, or name a suite without tasks, such as --suite realtime"


@pytest.mark.usefixtures("unplanned")
def test_a_link_that_leads_nowhere_exists_already(tmp_path: Path) -> None:
    link = tmp_path / "made"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="made exists already"):
        app.bundle(REQUEST, link)
    assert link.is_symlink()


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, *words: object, **flags: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    exporting(monkeypatch, CASES[:1], [BundledCase(model="a.onnx")])
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UsageError, match="made: No space left on device"):
        app.bundle(REQUEST, tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_has_the_permissions_of_a_new_folder_and_nothing_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporting(monkeypatch, CASES[:1], [BundledCase(model="a.onnx")])
    app.bundle(REQUEST, tmp_path / "made")
    (tmp_path / "usual").mkdir()
    assert (tmp_path / "made").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert {path.name for path in tmp_path.iterdir()} == {"made", "usual"}
    programs = {name for name, _, _ in app.PROGRAMS}
    assert {path.name for path in (tmp_path / "made").iterdir()} == {"bundle.json", *programs}


def test_cases_that_differ_in_their_engine_have_different_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporting(monkeypatch, CASES, [BundledCase(model="a.onnx"), BundledCase(model="b.onnx")])
    app.bundle(REQUEST, tmp_path / "made")
    held = json.loads((tmp_path / "made" / "bundle.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in held["cases"]] == ["sdpa onnxruntime", "sdpa onnxruntime-int8"]


def test_a_case_that_is_left_out_has_its_name_and_its_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exporting(monkeypatch, CASES, [BundledCase(model="a.onnx"), BundledCase(status="oom", message="too large")])
    made = app.bundle(REQUEST, tmp_path / "made")
    [(case, one)] = made.left_out
    assert (made.labels.curve(case), one.status, one.message) == ("sdpa onnxruntime-int8", "oom", "too large")
    held = json.loads((tmp_path / "made" / "bundle.json").read_text(encoding="utf-8"))
    assert [(one["status"], one["message"]) for one in held["left_out"]] == [("oom", "too large")]


def test_the_program_knows_the_time_limit_and_whether_energy_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporting(monkeypatch, CASES[:1], [BundledCase(model="a.onnx")])
    suite = suites.load("realtime")
    app.bundle(RunRequest(suite=suite, case_timeout=7.0, energy=False), tmp_path / "made")
    held = json.loads((tmp_path / "made" / "bundle.json").read_text(encoding="utf-8"))
    assert (held["case_timeout"], held["energy"]) == (7.0, False)


def test_one_case_is_no_plural(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exporting(monkeypatch, CASES[:1], [BundledCase(model="a.onnx")])
    heard: list[object] = []
    app.bundle(REQUEST, tmp_path / "made", heard.append)
    assert heard == [Notice("exporting 1 case, some seconds each")]
