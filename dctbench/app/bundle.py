"""Make a bundle: exported models, inputs and a program, to be measured on a target without torch."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from dctbench import __version__, errors
from dctbench.app.requests import RunRequest
from dctbench.app.runners import local_runner
from dctbench.catalog import engines
from dctbench.exporters.json_document import dumps
from dctbench.machine.temporary import OwnedFolder
from dctbench.model import SCHEMA_VERSION, Case
from dctbench.protocol import BundledCase, BundleReply, BundleRequest, Failure
from dctbench.scheduler.events import Listener, Notice, ignore
from dctbench.scheduler.pace import pace_of
from dctbench.scheduler.plan import make_plan
from dctbench.spec.suites import Suite
from dctbench.text.format import pluralize
from dctbench.wording.labels import Labels

ENGINE = "onnxruntime"
"""What runs the models of a bundle, in any of its precisions."""
PROGRAMS = (
    ("run.py", "bundle", "target.py"), ("board.py", "bundle", "board.py"), ("periodic.py", "machine", "periodic.py"),
    ("energy.py", "machine", "energy.py"), ("power_meters.py", "machine", "power_meters.py"),
    ("processor.py", "machine", "processor.py"), ("cgroup.py", "machine", "cgroup.py"),
    ("system_files.py", "machine", "system_files.py"),
)  # fmt: skip
"""The programs of a bundle: their names, and the rooms and modules of which they are copies."""
LARGEST_DIFFERENCE = 1e-4
SECONDS_PER_CASE = 120.0


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was made: its folder, the cases that it measures, and why others could not be exported."""

    folder: Path
    cases: tuple[Case, ...]
    left_out: tuple[tuple[Case, BundledCase], ...]

    @property
    def labels(self) -> Labels:
        """The names of the cases, in which those that differ have different names."""
        return Labels([*self.cases, *(case for case, _ in self.left_out)])


def bundle(request: RunRequest, folder: Path, listener: Listener = ignore) -> Bundle:
    """Export the cases of a suite into a new folder. Nothing is measured.

    Args:
        request: the suite, its axes, the label, rounds and samples; engines are those of ONNX Runtime, by default the
            one in float32.
        folder: must not exist.
        listener: called with notices.

    Raises:
        UsageError: for a folder that exists or cannot be written, for another engine, inputs and tasks.
        UnavailableError: when the packages for the export are not installed.
        CannotJudgeError: when nothing could be exported.
    """
    _refuse_existing(folder)
    suite = _with_engine(request)
    if any(name is not None for sweep in suite.sweeps for name in sweep.get("input") or ()):
        raise errors.UsageError("--input: a bundle measures no error on inputs", hint="leave out --input")
    if suite.axes["task"]:
        raise errors.UsageError(
            f"--task {suite.axes['task'][0]}: a bundle trains nothing",
            hint="leave out --task, or name a suite without tasks, such as --suite realtime",
        )
    engines.require(suite.axes["engine"])
    with _whole(folder) as partial, local_runner(suite.settings, listener) as runner:
        planned = make_plan(suite, runner)
        listener(Notice(f"exporting {pluralize(len(planned.cases), 'case')}, some seconds each"))
        asked = BundleRequest(list(planned.cases), str(partial))
        reply = runner.ask(asked, BundleReply, SECONDS_PER_CASE * len(planned.cases))
        if isinstance(reply, Failure):
            raise errors.CannotJudgeError(f"the export failed: {reply.message}", hint=reply.hint)
        found = list(zip(planned.cases, reply.cases, strict=True))
        good = tuple(case for case, one in found if one.message is None)
        bad = tuple((case, one) for case, one in found if one.message is not None)
        if not good:
            raise errors.CannotJudgeError(f"nothing could be exported: {bad[0][1].message}")
        made = Bundle(folder, good, bad)
        with _in_words(folder):
            _write(partial, suite, request, found, made.labels)
    return made


def _refuse_existing(folder: Path) -> None:
    """Refuse a folder whose name is taken, if only by a link that leads nowhere."""
    with _in_words(folder):
        try:
            folder.lstat()
        except FileNotFoundError:
            return
    raise errors.UsageError(f"{folder} exists already", hint="name a new folder with -o, or remove it")


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that gets its name at the end of the block. If the block raises, nothing is left of it."""
    parent = folder.absolute().parent
    with _in_words(folder):
        parent.mkdir(parents=True, exist_ok=True)
        temporary = OwnedFolder(".dctbench-bundle-", parent)
    with temporary:
        partial = temporary.path / "bundle"  # nobody else may read the folder around it
        with _in_words(folder):
            partial.mkdir()
        yield partial
        with _in_words(folder):
            partial.rename(folder)


@contextmanager
def _in_words(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise errors.UsageError(f"cannot write {folder}: {reason}", hint="name another folder with -o") from error


def _with_engine(request: RunRequest) -> Suite:
    given = request.axes.given.get("engine", [ENGINE])
    other = [name for name in given if name.partition("-")[0] != ENGINE]
    if other:
        raise errors.UsageError(
            f"--engine {other[0]}: a bundle is run by ONNX Runtime", hint=f"--engine {ENGINE} or {ENGINE}-int8"
        )
    return replace(request, axes=replace(request.axes, engine=tuple(given))).resolved_suite


def _write(
    folder: Path, suite: Suite, request: RunRequest, found: list[tuple[Case, BundledCase]], labels: Labels
) -> None:
    """Write the program and what it needs to know; remove the models under the names of their cache."""
    for leftover in folder.glob("model-*.onnx"):
        leftover.unlink()
    pace = pace_of(suite.settings)
    about: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "dctbench_version": __version__,
        "id": uuid.uuid4().hex[:16],
        "label": request.label,
        "suite": suite.name,
        "rounds": suite.settings.rounds,
        "samples": pace.samples_least,
        "releases": pace.releases,
        "case_timeout": suite.settings.case_timeout,
        "energy": suite.settings.energy,
        "largest_difference": LARGEST_DIFFERENCE,
        "cases": [
            {
                **_identity(case), "name": labels.curve(case), "precision": engines.ENGINES[case.engine].precision,
                "model": one.model, "inputs": one.inputs, "expected": one.expected,
            }
            for case, one in found if one.message is None
        ],
        "left_out": [
            {**_identity(case), "status": one.status, "message": one.message}
            for case, one in found if one.message is not None
        ],
    }  # fmt: skip
    (folder / "bundle.json").write_text(dumps(about), encoding="utf-8")
    for name, room, source in PROGRAMS:
        text = (files(f"dctbench.{room}") / source).read_text(encoding="utf-8")
        (folder / name).write_text(text, encoding="utf-8")


def _identity(case: Case) -> dict[str, Any]:
    return {"case": case.to_json(), "case_id": case.id}
