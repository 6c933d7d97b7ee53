"""The sentences of the page say what the terminal says of the same results."""

from __future__ import annotations

import numpy as np
from scipy import stats as scipy_stats

from dctbench import analysis
from dctbench.page.facets import arrange
from dctbench.page.narrative import facet_sentences, reference_sentences
from dctbench.runs.lookup import RecordedRun
from dctbench.wording.labels import Labels
from tests.support.made import ENVIRONMENT, RUN, result

LOGS = np.array([0.1, 0.12, 0.15])


def test_a_payoff_is_corrected_for_all_facets_of_its_run() -> None:
    """p = 0.014 at batch 1 tells something where it stands alone, not beside three lengths at batch 4."""
    assert 0.025 / 4 < scipy_stats.ttest_1samp(LOGS, 0).pvalue < 0.025
    pairs = {(64, 1): np.exp(-LOGS)} | {(n, 4): np.array([1.2, 1.0, 0.8]) for n in (32, 64, 128)}
    found = [
        one
        for (n, batch), seconds in pairs.items()
        for number, second in enumerate(seconds, 1)
        for one in (
            result("sdpa", n, 1.0, round=number, batch=batch),
            result("dct-x", n, float(second), round=number, ratio=8, batch=batch),
        )
    ]
    told = {}
    for kept in (found, [one for one in found if one.case.batch == 1]):
        contents = arrange([RecordedRun(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, kept, [])], "sdpa")
        [facet] = [facet for facet in contents.facets if facet.case.batch == 1]
        [(_, told[len(contents.facets)])] = reference_sentences(contents, facet, "sdpa").payoffs
    assert told == {
        1: "dct-x r=8 is faster than sdpa at n = 64, the only measured length (1.13x)",
        2: "dct-x r=8 is not told apart from sdpa at n = 64, the only measured length (1.13x)",
    }
    assert {p.kind for p in analysis.payoffs(analysis.summarise(found), "sdpa")} == {analysis.Payoff.UNTOLD}


def test_the_energy_of_a_short_call_is_no_zero() -> None:
    found = [result("sdpa", 64, values={"energy": ("J", 4.4e-4)})]
    contents = arrange([RecordedRun(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, found, [])], "sdpa")
    assert facet_sentences(contents.facets[0], "sdpa", Labels([])).energy == (
        ("sdpa", "sdpa at n = 64: 440 µJ a call"),
    )
