"""The rules of a check: whose tolerance is whose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dctbench import suite
from dctbench.cli.gate_rules import usual_tolerances
from dctbench.compare import TOLERANCES
from dctbench.store import open_store
from dctbench.store.whole import add_whole_run
from tests.made import ENVIRONMENT, RUN
from tests.outcomes import in_rounds


@pytest.mark.parametrize(("devices", "cpu"), [(["cpu"], 0.10), (["cpu", "cuda"], 0.10), (["cuda"], 0.25)])
def test_the_noise_that_was_measured_is_the_cpus_also_where_a_gpu_is_checked_beside_it(
    tmp_path: Path, devices: list[str], cpu: float
) -> None:
    store = str(tmp_path / "results.sqlite")
    still = [*in_rounds("sdpa", [4e-3] * 6), *in_rounds("dct-x", [2e-3, 2.001e-3] * 3, ratio=8)]
    with open_store(store, create=True) as opened:
        add_whole_run(opened, replace(RUN, suite="noise"), [ENVIRONMENT], still)
    wanted = suite.override(suite.load("ci"), {"device": devices}, {})
    found = usual_tolerances(wanted, store, ENVIRONMENT.fingerprint)
    assert found == {**TOLERANCES, "cpu": cpu}
    assert usual_tolerances(wanted, store, "another") == TOLERANCES
