"""What an estimate is made of: each term by itself, added up by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dctbench.model import Case
from dctbench.model.task import PROBE_SHARE, RATES
from dctbench.scheduler import estimate as terms
from dctbench.scheduler.estimate import Estimate, estimate, exact_flops
from dctbench.scheduler.pace import LATER_SECONDS, Pace
from tests.support.made import result
from tests.support.trained import trained

FORKED, FRESH = terms.PROCESS_SECONDS[True], terms.PROCESS_SECONDS[False]


def measured(call: float, pace: Pace | None = None, **case: Any) -> tuple[Case, Estimate]:
    """A case that took so many seconds, and its estimate."""
    stored = result("sdpa", 512, call, **case)
    return stored.case, estimate([stored.case], {}, [stored], pace or Pace())


@pytest.mark.parametrize(
    ("call", "first", "later"),
    [
        (1e-4, 0.2 + 10e-3, LATER_SECONDS + 1e-3),  # a short call is repeated for a millisecond
        (0.01, 0.2 + 10 * 0.01, LATER_SECONDS + 0.01),
        (0.1, 3 * 0.1 + 10 * 0.1, 3 * 0.1 + 0.1),  # three calls take longer than the warm-up
        (0.25, 4 * 0.25, 0.0),  # a long call has no warm-up but its first
    ],
)
def test_a_process_starts_calls_once_warms_up_and_makes_its_other_passes(
    call: float, first: float, later: float
) -> None:
    case, found = measured(call)
    assert found.exact == {case: pytest.approx(2 * 2 * call)}  # two inputs, each twice the work of the reference
    assert found.overhead(case, 1) == pytest.approx(FORKED + call + first + 4 * call)
    assert found.overhead(case, 2) == pytest.approx(FORKED + call + later)
    fresh = measured(call, Pace(isolation="fresh"))[1]
    assert fresh.overhead(case, 1) - found.overhead(case, 1) == pytest.approx(FRESH - FORKED)


@pytest.mark.parametrize(
    ("call", "first", "later"),
    [
        (1e-4, 30e-3, 30e-3),
        (0.01, 0.3, 0.06),
        (0.1, 2.0, 0.3),
        (0.2, 4.0, 0.6),
        (0.25, 1.5, 0.75),
        (0.5, 1.5, 1.5),
        (2.0, 2.0, 2.0),
    ],
)
def test_sampling_takes_thirty_calls_within_its_budget_and_no_fewer_than_asked_for(
    call: float, first: float, later: float
) -> None:
    """At leisure in two seconds, later in 0.06; twenty samples at first, three later, and long calls in 1.5 s."""
    case, found = measured(call)
    assert (found.sampling(case, 1), found.sampling(case, 2)) == pytest.approx((first, later))


def test_a_gpu_has_a_context_draws_its_inputs_and_makes_passes_of_its_own() -> None:
    call, batch = 0.01, 2
    case, found = measured(call, device="cuda:0", batch=batch)
    drawn = 4 * batch * 512 * 512 / terms.DRAWN_PER_SECOND
    both = FRESH + terms.CONTEXT_SECONDS + drawn + call
    assert found.exact == {case: pytest.approx(2 * exact_flops(case) / terms.HOST_RATE)}
    passes = terms.PROFILER_SECONDS + terms.ENERGY_SECONDS
    assert found.overhead(case, 1) == pytest.approx(both + 0.2 + 10 * call + passes + found.exact[case])
    assert found.overhead(case, 2) == pytest.approx(both + LATER_SECONDS + call)
    without = measured(call, Pace(energy=False), device="cuda:0", batch=batch)[1]
    assert found.overhead(case, 1) - without.overhead(case, 1) == pytest.approx(terms.ENERGY_SECONDS)


def test_each_further_rank_starts_too() -> None:
    (one, alone), (four, divided) = (measured(0.01, ranks=ranks) for ranks in (1, 4))
    assert divided.overhead(four, 2) - alone.overhead(one, 2) == pytest.approx(3 * terms.RANK_SECONDS)


def test_no_call_begins_after_the_time_limit() -> None:
    case, found = measured(0.2, Pace(limit=1.0))
    assert found.seconds(case, 1) == pytest.approx(1.0)
    case, found = measured(0.8, Pace(limit=1.0))  # the second call, a sample, begins before it
    assert found.seconds(case, 1) == pytest.approx(1.6)


@pytest.mark.parametrize(("call", "period"), [(0.001, 0.02), (0.03, 0.03)])
def test_calls_on_a_schedule_take_a_period_each_or_as_long_as_the_call(call: float, period: float) -> None:
    """Sixty calls and the first; a search tries seven rates and checks one, with a hundred calls each."""
    case, found = measured(call, Pace(releases=60, search=True), period=0.02, deadline=0.02)
    assert found.scheduled(case, 1) == pytest.approx(period * (61 + 8 * 100))
    assert found.scheduled(case, 2) == pytest.approx(period * 61)
    plain = measured(call, Pace(releases=60, search=True))
    assert plain[1].scheduled(plain[0], 1) == 0
    spent = found.overhead(case, 2) + found.sampling(case, 2)
    assert found.seconds(case, 2) == pytest.approx(spent + period * 61)


def test_a_model_is_called_for_its_outputs_and_its_evaluation_and_trained_again_by_steps() -> None:
    call = 0.01
    about: dict[str, Any] = {"scope": "model", "model": "minilm", "batch": 4}
    case, found = measured(call, **about)
    longer, trained_again = measured(call, **about, recover=20)
    spent = found.overhead(case, 1) + found.sampling(case, 1)
    assert found.exact == {}
    assert found.seconds(case, 1) == pytest.approx(spent + terms.MODEL_CALLS * call)
    assert found.seconds(case, 2) == pytest.approx(found.overhead(case, 2) + found.sampling(case, 2))
    steps = terms.RECOVERY_CALLS * 20 / 4 * call
    for number in (1, 2):
        more = trained_again.seconds(longer, number) - found.seconds(case, number)
        assert more == pytest.approx(steps)


@pytest.mark.parametrize(
    ("about", "seconds"),
    [
        ({}, 1e12 / 5e10),
        ({"mode": "backward"}, 2 * 1e12 / 5e10),
        ({"device": "cuda:0"}, 1e12 / 1e13 + 20 * 6e-6),
        ({"device": "cuda:0", "engine": "compile"}, 1e12 / 1e13 + 10 * 6e-6),
        ({"device": "cuda:0", "engine": "onnxruntime"}, 1e12 / 1e13),
        ({"device": "cuda:0", "dtype": "bfloat16"}, 1e12 / 1e14 + 20 * 6e-6),
        ({"device": "cuda:0", "dtype": "float64", "mode": "train"}, 3 * (1e12 / 3e12 + 20 * 6e-6)),
    ],
)
def test_what_was_never_measured_is_predicted_by_the_rate_of_its_kind_of_device(
    about: dict[str, Any], seconds: float
) -> None:
    case = Case("sdpa", 4096, **about)
    found = estimate([case], {case: 10**12}, [result("sdpa", 64, 1e-3, values={"flops": ("FLOP", 1e6)})][:0])
    assert found.calls == found.anywhere == {case: pytest.approx(seconds)}
    assert not found.measured


def test_an_unmeasured_gpu_keeps_its_own_rate_beside_a_measured_processor() -> None:
    """A measured processor says nothing of a GPU, and one GPU nothing of another."""
    stored = [
        result("sdpa", 512, 1e-3, values={"flops": ("FLOP", 1e9)}),
        result("sdpa", 512, 1e-3, values={"flops": ("FLOP", 1e11)}, device="cuda:0"),
    ]
    here, there, other = (Case("full", 512, device=device) for device in ("cuda:0", "cuda:1", "cpu"))
    found = estimate([here, there, other], dict.fromkeys([here, there, other], 10**12), stored)
    assert found.calls[there] == pytest.approx(1e12 / 1e13 + 20 * 6e-6)
    assert found.calls[here] == pytest.approx(1e12 / 1e14)
    assert found.calls[other] == pytest.approx(1e12 / 1e12)


def test_a_method_without_a_formula_counts_as_exact_attention_and_a_model_as_eighteen_layers() -> None:
    layer, model = Case("mine:Layer", 256), Case("mine:Layer", 256, scope="model", model="minilm")
    found = estimate([layer, model], {layer: None})
    assert found.calls[layer] == pytest.approx(exact_flops(layer) / 5e10)
    assert found.calls[model] == pytest.approx(18 * found.calls[layer])


def test_long_sequences_compare_their_exact_outputs_in_1024_rows() -> None:
    cases = [Case("sdpa", n) for n in (16_384, 16_385)]
    found = estimate(cases, {})
    whole, part = (found.exact[case] / (2 * 2 * exact_flops(case) / 5e10) for case in cases)
    assert (whole, part) == pytest.approx((1.0, 1024 / 16_385))
    for scope in ("encoder", "model"):
        assert estimate([Case("sdpa", 64, scope=scope, model="minilm" if scope == "model" else None)], {}).exact == {}


def test_a_training_takes_three_forward_passes_a_step_and_its_part_of_the_cores() -> None:
    known, costliest, without = (
        trained(name, [0.5], ratio=ratio)[0].case for name, ratio in (("dct-x", 4), ("sdpa", None), ("linear", None))
    )
    cases = [known, costliest, without]
    found = estimate(cases, {known: 10**11, costliest: 3 * 10**11, without: None}, pace=Pace(jobs=2))
    assert found.calls[known] == pytest.approx(3 * 1e11 / 3e10)
    assert found.calls[without] == found.calls[costliest] == pytest.approx(3 * 3e11 / 3e10)
    assert found.seconds(known, 1) == pytest.approx((FORKED + found.calls[known]) / 2)
    assert (found.sampling(known, 1), found.exact, found.scheduled(known, 1)) == (0, {}, 0)
    assert estimate([without], {}).calls[without] == pytest.approx(3 * exact_flops(without) / 3e10)


def test_trainings_are_predicted_by_those_that_ended_with_their_probes() -> None:
    stored = trained("sdpa", [0.5, 0.6, 0.7], seconds=8.0)
    [measured_case] = {one.case for one in stored}
    other = trained("dct-x", [0.5], ratio=4)[0].case
    found = estimate([measured_case, other], {measured_case: 10**11, other: 2 * 10**11}, stored)
    with_probes = 8.0 * (1 + len(RATES) / PROBE_SHARE)
    assert found.calls == {measured_case: pytest.approx(with_probes), other: pytest.approx(2 * with_probes)}
    assert found.anywhere[measured_case] == pytest.approx(3 * 1e11 / 3e10)


def test_the_authors_protocol_has_a_process_and_on_a_gpu_a_context_of_its_own() -> None:
    for device, start in (("cpu", FORKED), ("cuda:0", FRESH + terms.CONTEXT_SECONDS)):
        case, ours = measured(0.01, device=device)
        both = measured(0.01, Pace(by_authors=True), device=device)[1]
        assert both.seconds(case, 1) - ours.seconds(case, 1) == pytest.approx(start + (50 + 4) * 1.5 * 0.01)


def test_the_parents_of_forked_processes_start_once_a_round() -> None:
    case, found = measured(0.01)
    rounds = math.fsum(found.seconds(case, number) for number in (1, 2, 3))
    assert found.total({case: 3}) == pytest.approx(rounds + 3 * terms.ZYGOTE_SECONDS)
    assert found.total({}) == 0


def test_an_estimate_says_why_it_may_be_far_off() -> None:
    assert measured(0.01)[1].caveat == ""
    assert estimate([Case("sdpa", 64)], {}).caveat == "rough: nothing measured in this environment yet"


def test_a_case_that_is_compiled_or_exported_takes_longer_by_what_that_took_on_this_machine() -> None:
    plain = Case("sdpa", 512)
    stored = [result("sdpa", 512, 1e-3)]
    for engine in ("compile", "onnxruntime", "onnxruntime-int8", "openvino", "executorch"):
        case = Case("sdpa", 512, engine=engine)
        timed = [*stored, result("sdpa", 512, 1e-3, engine=engine)]
        made = result("dct-x", 64, 1e-3, ratio=4, engine=engine, values={"compile": ("s", 5.0)})
        first, later = terms.MAKING[engine.partition("-")[0]]
        for known, scale in ((timed, 1.0), ([*timed, made], 5.0 / first)):
            found = estimate([plain, case], {}, known)
            for number, seconds in ((1, first), (2, later)):
                more = found.overhead(case, number) - found.overhead(plain, number)
                assert more == pytest.approx(scale * seconds)
