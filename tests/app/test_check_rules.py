"""The rules of a check: whose tolerance is whose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.app.check_rules import default_tolerances, with_enough_pairs
from dctbench.compare import TOLERANCES, Rules
from dctbench.runs.lookup import RecordedRun
from dctbench.spec import suites
from dctbench.store import open_store
from dctbench.store.importing import import_run
from tests.support.made import ENVIRONMENT, RUN, result
from tests.support.outcomes import in_rounds


@pytest.mark.parametrize(("devices", "cpu"), [(["cpu"], 0.10), (["cpu", "cuda"], 0.10), (["cuda"], 0.25)])
def test_the_noise_that_was_measured_is_the_cpus_also_where_a_gpu_is_checked_beside_it(
    tmp_path: Path, devices: list[str], cpu: float
) -> None:
    store = str(tmp_path / "results.sqlite")
    still = [*in_rounds("sdpa", [4e-3] * 6), *in_rounds("dct-x", [2e-3, 2.001e-3] * 3, ratio=8)]
    with open_store(store, create=True) as opened:
        import_run(opened, replace(RUN, suite="noise"), [ENVIRONMENT], still)
    wanted = suites.override(suites.load("ci"), {"device": devices}, {})
    found = default_tolerances(wanted, store, ENVIRONMENT.fingerprint)
    assert found == {**TOLERANCES, "cpu": cpu}
    assert default_tolerances(wanted, store, "another") == TOLERANCES


def many(rounds: int) -> RecordedRun:
    """36 cases in so many rounds."""
    results = [result("dct-x", 64 * n, 1e-3, ratio=8, round=one) for n in range(1, 37) for one in range(1, rounds + 1)]
    return RecordedRun(RUN, {}, results, list(dict.fromkeys(one.case for one in results)))


@pytest.mark.parametrize(
    ("rounds", "given", "most", "warned"),
    [
        (3, {}, 19, ""),  # 2 / C(22, 3) is under 0.05 / 36, and 2 / C(21, 3) is not
        (3, {"max_pairs": "15"}, 15, "--max-pairs 19 or a baseline of --rounds 4 can"),
        (5, {}, 15, ""),
        (1, {}, 15, "a baseline of --rounds 4 can"),
        (None, {}, 15, ""),
        (None, {"max_pairs": "5"}, 5, "5 pairs cannot prove it among 36 cases; --max-pairs 10 can"),
    ],
)
def test_more_processes_are_allowed_where_a_proof_takes_them_and_nobody_said_how_many(
    capsys: pytest.CaptureFixture[str], rounds: int | None, given: dict[str, str], most: int, warned: str
) -> None:
    rules = Rules(max_pairs=int(given.get("max_pairs", 15)))
    own = suites.load("quick")
    found = with_enough_pairs(rules, many(1).plan, None if rounds is None else many(rounds), own, given)
    assert found == replace(rules, max_pairs=most)
    said = capsys.readouterr().err
    assert warned in said
    assert bool(said) is bool(warned)
    written = replace(own, gate={"max_pairs": 15})
    assert with_enough_pairs(rules, many(1).plan, many(3), written, {}).max_pairs == rules.max_pairs
