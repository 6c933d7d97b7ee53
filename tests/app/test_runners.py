"""Which runner a request gets, and what it passes on."""

from __future__ import annotations

import pytest

from dctbench.app.requests import Where
from dctbench.app.runners import open_runner
from dctbench.errors import CannotJudgeError
from dctbench.model import RunSettings
from dctbench.runners import ray as ray_runner
from dctbench.scheduler.events import ignore
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
