"""Which runner a request gets, and what it passes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dctbench import __version__
from dctbench.app.requests import ResumeRequest, RunRequest, Where
from dctbench.app.resume import resume
from dctbench.app.run import run
from dctbench.app.runners import open_runner
from dctbench.errors import CannotJudgeError, UnavailableError
from dctbench.model import Case, RunSettings
from dctbench.runners import ray as ray_runner
from dctbench.scheduler.events import ignore
from dctbench.spec.axes import AxisValues
from dctbench.store import open_store
from tests.support.made import RUN
from tests.support.scripted_ray import ScriptedRay, about


@pytest.mark.parametrize("same_cpu", [False, True])
def test_a_cluster_of_several_kinds_of_nodes_is_refused_if_the_request_says_so(
    monkeypatch: pytest.MonkeyPatch, same_cpu: bool
) -> None:
    cluster = ScriptedRay([{"about": lambda kind=kind: about(kind)} for kind in ("a" * 16, "b" * 16)])
    monkeypatch.setattr(ray_runner, "_connected", lambda address: cluster)
    where = Where(runner="ray", require_same_cpu=same_cpu)
    if same_cpu:
        with pytest.raises(CannotJudgeError, match="the nodes are of 2 kinds"):
            open_runner(where, RunSettings(), ["cpu"], ignore)
        return
    with open_runner(where, RunSettings(), ["cpu"], ignore) as runner:
        assert len(runner.places()) == 2


def test_a_cluster_is_asked_for_the_gpus_of_all_ranks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ray_runner, "_connected", lambda address: ScriptedRay([{}]))
    where, store = Where(runner="ray", timeout=0.1), str(tmp_path / "results.sqlite")
    asked = "offers cuda:0 and cuda:1 within"
    with pytest.raises(UnavailableError, match=asked):
        run(RunRequest(axes=AxisValues(device=("cuda:0",), ranks=(1, 2)), where=where, store=store))
    with open_store(store, create=True) as opened:
        case = Case("sdpa", 64, device="cuda:0", ranks=2)
        opened.add_run(replace(RUN, dctbench_version=__version__, settings=RunSettings()), [case], {case: 1})
    with pytest.raises(UnavailableError, match=asked):
        resume(ResumeRequest(where=where, store=store))
