"""Under the roof: the ceilings are read back as they were measured, and a case stands at its own latency."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench import analysis
from dctbench.machine.calibration import Calibration
from dctbench.machine.roofline import bytes_at_least, under_the_roof
from dctbench.model import ResultDetails
from tests.support.made import result

RATES = st.floats(1e9, 1e13)


@given(
    compute=RATES,
    bandwidth=RATES,
    cache=st.sampled_from([None, 1 << 40]),
    flops=st.floats(1e6, 1e12),
    slower=st.lists(st.floats(1, 5), min_size=1, max_size=4),
)
def test_the_ceilings_are_those_of_the_calibration_and_the_share_is_of_the_latency(
    compute: float, bandwidth: float, cache: int | None, flops: float, slower: list[float]
) -> None:
    machine = Calibration("cpu", 2, {"float32": compute}, bandwidth, cache)
    case = result("sdpa", 1024).case
    least_by_compute, least_by_memory = flops / compute, bytes_at_least(case) / bandwidth
    seconds = [2 * factor * max(least_by_compute, least_by_memory) for factor in slower]
    results = [
        under_the_roof(result("sdpa", 1024, one, round=i, values={"flops": ("FLOP", flops)}), machine)
        for i, one in enumerate(seconds, 1)
    ]
    [summary] = analysis.summarise(results)
    found = analysis.under_roof(summary)
    assert found is not None
    assert (found.ceilings.compute, found.ceilings.bandwidth) == pytest.approx((compute, bandwidth))
    assert found.ceilings.ridge == pytest.approx(compute / bandwidth)
    latency = statistics.geometric_mean(seconds)
    assert found.rate == pytest.approx(flops / latency)
    assert found.intensity == pytest.approx(flops / bytes_at_least(case))
    least = {"compute": least_by_compute, "cache": least_by_compute, "bandwidth": least_by_memory}[found.bound]
    assert found.share == pytest.approx(least / latency)
    if found.bound != "cache":
        attainable = min(found.ceilings.compute, found.intensity * found.ceilings.bandwidth)
        assert found.rate / attainable == pytest.approx(found.share)


GOOD = {"bound": "compute", "rate": 1e11, "share": 0.5, "intensity": 60.0, "ridge": 5.0, "throughput": 2e9}


@pytest.mark.parametrize(
    "said",
    [None, "high", {}, GOOD | {"bound": "luck"}, GOOD | {"share": 0.0}, GOOD | {"share": 1e-300},
     GOOD | {"rate": 1e300}, GOOD | {"rate": "1e11"},
     GOOD | {"ridge": float("nan")}, {key: value for key, value in GOOD.items() if key != "intensity"}],
    ids=str,
)  # fmt: skip
def test_what_is_no_roofline_places_nothing(said: object) -> None:
    [summary] = analysis.summarise([replace(result(), details=ResultDetails.from_json({"roofline": said}))])
    assert analysis.under_roof(summary) is None
    [failed] = analysis.summarise(
        [replace(result(seconds=None, status="oom"), details=ResultDetails.from_json({"roofline": GOOD}))]
    )
    assert analysis.under_roof(failed) is None


def test_ceilings_that_were_measured_anew_are_two_roofs() -> None:
    results = [
        replace(result("sdpa", n), details=ResultDetails.from_json({"roofline": GOOD | {"share": share}}))
        for n, share in ((64, 0.5), (128, 0.501), (256, 0.6))
    ]
    placed = [one for summary in analysis.summarise(results) if (one := analysis.under_roof(summary))]
    assert [ceilings.compute for ceilings in analysis.distinct_ceilings(placed)] == pytest.approx([2e11, 1e11 / 0.6])
