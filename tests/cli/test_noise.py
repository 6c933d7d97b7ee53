"""`dctbench noise`."""

from __future__ import annotations

import pytest

from tests.conftest import Cli


@pytest.mark.slow
def test_noise_measures_tells_a_tolerance_and_is_stored(cli: Cli) -> None:
    done = cli("noise", "--rounds", "5", "--format", "json", timeout=900)
    assert done.code == 0, done.err
    found = done.json()
    assert {(case["case"], case["n"]) for case in found["cases"]} == {
        (name, n) for name in ("sdpa", "dct-x r=8", "none") for n in (512, 2048)
    }
    assert found["tolerance"] >= 0.10
    assert found["quiet"] is (found["tolerance"] == 0.10)
    [run] = cli("list", "runs", "--format", "json").json()
    assert (run["suite"], run["label"], run["results"]) == ("noise", "noise", "30 of 30")
