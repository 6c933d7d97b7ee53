"""The arithmetic of the roofline, with values computed by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dctbench.machine.calibration import Calibration
from dctbench.machine.roofline import (
    MARGIN,
    bytes_at_least,
    faster_than_possible,
    fastest_possible,
    roofline,
    under_the_roof,
)
from dctbench.model import SCOPES, Case, Ceilings, ResultDetails
from tests.support.made import result

MACHINE = Calibration("cpu", 2, {"float32": 1e11, "bfloat16": 4e11, "float16": 1e9}, 1e10, 1 << 20)


def case(**given: Any) -> Case:
    return Case("sdpa", **({"seq_len": 1024, "heads": 8, "head_dim": 64} | given))


ROW = 1024 * 512 * 4  # bytes of one (seq_len, dim) in float32


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, 2 * ROW),
        ({"dtype": "bfloat16"}, ROW),
        ({"batch": 3}, 6 * ROW),
        ({"scope": "attention"}, 4 * ROW),
        ({"scope": "encoder"}, 1024 * 8 + ROW),
        ({"mode": "backward"}, 3 * ROW),
        ({"mode": "train"}, 5 * ROW),
        ({"mode": "backward", "scope": "attention"}, 7 * ROW),
        ({"mode": "backward", "scope": "encoder"}, 1024 * 8 + ROW),
    ],
    ids=str,
)
def test_bytes_are_inputs_and_outputs_once(given: dict[str, Any], expected: int) -> None:
    assert bytes_at_least(case(**given)) == expected
    directions = 2 if given.get("mode") == "train" else 1
    assert bytes_at_least(case(**given), 1000) == expected + directions * 1000


def test_a_call_above_the_ridge_is_bound_by_compute() -> None:
    found = roofline(case(), seconds=0.2, flops=1e10, state_bytes=0, machine=MACHINE)
    assert found is not None
    assert (found.bound, found.ridge) == ("compute", 10)
    assert found.intensity == 1e10 / (2 * ROW)
    assert found.rate == 5e10
    assert found.share == pytest.approx(0.5)


def test_a_call_below_the_ridge_is_bound_by_bandwidth_or_fits_the_cache() -> None:
    found = roofline(case(), seconds=1e-3, flops=1e6, state_bytes=0, machine=MACHINE)
    assert found is not None
    assert found.bound == "bandwidth"
    assert found.throughput == 2 * ROW / 1e-3
    assert found.share == pytest.approx(2 * ROW / 1e10 / 1e-3)
    cached = roofline(case(), 1e-3, 1e6, 0, replace(MACHINE, cache_bytes=1 << 30))
    assert cached is not None
    assert cached.bound == "cache"
    assert cached.share == pytest.approx(1e6 / 1e11 / 1e-3)


def test_a_call_that_begins_with_an_emptied_cache_is_bound_by_bandwidth_though_its_data_would_fit() -> None:
    """On a GPU the cache is emptied before each call, and the details say how many bytes were swept."""
    roomy = replace(MACHINE, cache_bytes=1 << 30)
    figures = {"flops": ("FLOP", 1e6)}
    warm = result("sdpa", 1024, 1e-3, values=figures)
    cold = replace(warm, details=replace(warm.details, swept_bytes=2 << 30))
    found = [under_the_roof(one, roomy).details.roofline for one in (warm, cold)]
    assert [one and one.bound for one in found] == ["cache", "bandwidth"]
    assert found[1] is not None
    assert found[1].share == pytest.approx(2 * ROW / 1e10 / 1e-3)


def test_a_dtype_without_fast_products_has_the_ceiling_of_float32() -> None:
    assert MACHINE.compute_ceiling("float16") == 1e11
    assert MACHINE.compute_ceiling("bfloat16") == 4e11
    assert MACHINE.compute_ceiling("float32") == 1e11


def test_rates_measured_beside_busy_processes_are_not_used() -> None:
    rates = {"call": 5e-6}
    quiet = replace(MACHINE, cost_models={"float32": rates}, others=0.1)
    assert quiet.rates("float32") == rates
    assert quiet.rates("float64") is None
    assert replace(quiet, others=1.2).rates("float32") is None


@pytest.mark.parametrize("given", [{"device": "cuda:0"}, {"threads": 1}, {"dtype": "float64"}], ids=str)
def test_what_was_not_calibrated_has_no_roofline(given: dict[str, Any]) -> None:
    assert roofline(case(**given), 1.0, 1e9, 0, MACHINE) is None


def test_only_what_no_kernel_could_do_is_implausible() -> None:
    flops = 8e10
    least = fastest_possible(case(), flops, MACHINE)
    assert least == flops / 4e11  # the ceiling of the fastest dtype, since a kernel may convert
    assert faster_than_possible(case(), least / MARGIN, flops, MACHINE) is None
    said = faster_than_possible(case(), least / MARGIN / 1.01, flops, MACHINE)
    assert said is not None
    assert said.startswith("implausible: ")


def test_more_threads_than_calibrated_with_are_allowed_for() -> None:
    assert fastest_possible(case(threads=8), 8e10, MACHINE) == fastest_possible(case(), 8e10, MACHINE) / 4
    assert fastest_possible(case(threads=1), 8e10, MACHINE) == fastest_possible(case(), 8e10, MACHINE)


def test_ranks_have_the_ceilings_of_as_many_gpus_but_share_one_cpu() -> None:
    """Eight GPUs at 60% of what one can compute are honest. One CPU would be at 4.8 times its ceiling."""
    at_60_percent = 8e12 / (8 * 0.6 * 4e11)
    machine = replace(MACHINE, device="cuda:0")
    figures = {"flops": ("FLOP", 8e12), "memory.state": ("B", 4096.0)}
    shape: dict[str, Any] = {"heads": 8, "head_dim": 64, "dtype": "bfloat16", "ranks": 8}
    several = under_the_roof(result("sdpa", 1024, at_60_percent, values=figures, device="cuda:0", **shape), machine)
    assert several.details.roofline is not None
    assert several.details.roofline.share == pytest.approx(0.6)
    assert several.details.roofline.ceilings == Ceilings(8 * 4e11, 8 * 1e10)
    assert several.details.roofline.intensity == 8e12 / (ROW + 8 * 4096)  # each rank reads its own parameters
    one_cpu = under_the_roof(result("sdpa", 1024, at_60_percent, values=figures, **shape), MACHINE)
    assert str(one_cpu.message).startswith("implausible: ")


def test_data_that_fits_the_caches_of_all_gpus_need_not_come_from_their_memory() -> None:
    machine = replace(MACHINE, device="cuda:0", cache_bytes=ROW)
    assert fastest_possible(case(device="cuda:0", ranks=2), 1.0, machine) == 1.0 / (2 * 4e11)
    found = roofline(case(device="cuda:0", ranks=2), 1e-3, 1e6, 0, machine)
    assert found is not None
    assert found.bound == "cache"


def test_data_that_fits_the_cache_need_not_come_from_memory() -> None:
    assert fastest_possible(case(), 1.0, MACHINE) == (2 * ROW - (1 << 20)) / 1e10
    assert fastest_possible(case(), 1.0, replace(MACHINE, cache_bytes=1 << 30)) == 1.0 / 4e11


def test_products_in_int8_may_be_four_times_as_fast() -> None:
    assert fastest_possible(case(engine="onnxruntime-int8"), 8e12, MACHINE) == 8e12 / (4 * 4e11)
    assert fastest_possible(case(engine="onnxruntime"), 8e12, MACHINE) == 8e12 / 4e11


def test_a_result_gets_its_roofline_or_becomes_an_error() -> None:
    figures = {"flops": ("FLOP", 1e10), "memory.state": ("B", 4096.0)}
    slow = result("sdpa", 1024, 0.2, values=figures)
    placed = under_the_roof(slow, MACHINE)
    assert placed.details.roofline is not None
    assert placed.details.roofline.ceilings == Ceilings(1e11, 1e10)
    assert placed.details.roofline.share == pytest.approx(0.5)
    assert placed.details.roofline.bound == "compute"
    *measured, floor = placed.measurements
    assert tuple(measured) == slow.measurements
    assert (floor.metric, floor.unit) == ("floor", "s")
    assert floor.samples == pytest.approx([1e10 / 1e11])
    cheat = under_the_roof(result("sdpa", 1024, 1e-6, values=figures), MACHINE)
    assert (cheat.status, cheat.measurements) == ("error", ())
    assert str(cheat.message).startswith("implausible: 1e-06 s")
    assert under_the_roof(slow, None) is slow
    elsewhere = result("sdpa", 1024, 1e-6, values=figures, device="cuda:0")
    assert under_the_roof(elsewhere, MACHINE) is elsewhere


@pytest.mark.parametrize("scope", SCOPES)
def test_a_result_of_every_scope_is_held_to_the_ceilings_and_a_model_has_no_place_below_them(scope: str) -> None:
    """The bytes that a model must move are not known. What it must compute is."""
    given: dict[str, Any] = {"values": {"flops": ("FLOP", 1e10)}, "scope": scope}
    honest = result("sdpa", 1024, 0.2, **given)
    placed = under_the_roof(honest, MACHINE)
    assert placed.status == "ok"
    floors = [] if scope == "model" else ["floor"]
    assert [one.metric for one in placed.measurements] == [*(one.metric for one in honest.measurements), *floors]
    assert (placed.details.roofline is None) == (scope == "model")
    by_compute = 1e10 / 4e11
    assert under_the_roof(result("sdpa", 1024, by_compute / MARGIN / 1.01, **given), MACHINE).status == "error"
    assert under_the_roof(result("sdpa", 1024, by_compute, **given), MACHINE).status == "ok"


def test_later_rounds_use_the_methods_own_formula() -> None:
    later = replace(result("sdpa", 1024, 1e-6, round=2), details=ResultDetails(flops_analytic=10**10))
    assert under_the_roof(later, MACHINE).status == "error"
    assert under_the_roof(replace(later, details=ResultDetails()), MACHINE).status == "ok"
