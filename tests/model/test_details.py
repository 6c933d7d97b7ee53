"""Details: fields for what this version knows, and nothing is lost of what it does not know."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench.model import (
    CallSplit,
    Ceilings,
    Collective,
    Communication,
    CurvePoint,
    Probe,
    ResultDetails,
    Roofline,
    Spectrum,
    Training,
    canonical_json,
)
from dctbench.model.conversion import Conversion

QUOTIENTS = {"bound": "compute", "rate": 1e11, "share": 0.5, "intensity": 60.0, "ridge": 5.0, "throughput": 2e9}
CEILINGS = {"compute": 2e11, "bandwidth": 4e10}
TRAINING = Training(
    seed=3, steps=400, probe_steps=100, probes=(Probe(0.001, 0.5), Probe(0.01, None)), rate=0.001, at_edge=True,
    curve=(CurvePoint(200, 1.5, 0.25), CurvePoint(400, 1, 0.5)), answers=4096, test_examples=64, parameters=9,
    layers=2, feed_forward=128, options={"convolution": 35}, failure="crashed", failed_step=7, failed_rate=0.01,
)  # fmt: skip
CONVERSION = Conversion(
    replaced=("layers.0",), kept=("layers.1",), refused={"layers.2": "it is causal"}, sequences=32, steps=8, rate=0.001,
    probes=((0.001, 0.5), (0.01, 0.75)), at_edge=True, loss_before=1.5, loss_after=0.25,
)  # fmt: skip
SPECTRUM = Spectrum((2, 4), {"x": (0.25, 0.5), "v": (0, 1)}, {"x": (0.2, 0.4), "v": (0.5, 0.75)})
COMMUNICATION = Communication("gloo", "payload", {"all_reduce": Collective(1, 4096)})
KNOWN: dict[str, Any] = {
    "stop_reason": "precise", "calls_per_sample": 4, "warmup_calls": 9, "turns": [3, 4], "pair": 2,
    "retaken": [0.02, 1], "noisy": "slow clock", "threads": 1, "cache": "warm", "inputs": "drawn", "kernel": "flash",
    "kernels": 7, "plan": "basis", "tolerance": 1e-5, "flops.analytic": 10**10, "flops.convention": "as usual",
    "flops.uncounted": [], "split": {"shares": {"attention": 0.5, "other": 1}, "operations": {"attention": 3}},
    "energy": {"source": "RAPL"}, "roofline": {**QUOTIENTS, "ceilings": CEILINGS}, "estimated_bytes": 2**40,
    "others_cores": 0.1, "stolen": 0, "cpu_capability": "AVX2", "device_name": "H200", "compute_capability": "9.0",
    "tf32": {"cudnn": True}, "gpu": {"before": {}}, "isolation": "zygote", "torch_imported_by": 7, "not_loaded": True,
    "traceback": "Traceback", "output": "Killed", "benchmark": "test_speed",
    "error_means": "other", "ended_runs": 2, "compiler": "freezing",
    "training": TRAINING.to_json(),
    "schedule": {"rate": 50.0, "late": False, "causes": [[3, "waited"]], "priority": "refused", "memory": "locked"},
    "attempts": 2, "conversion": CONVERSION.to_json(), "spectrum": SPECTRUM.to_json(),
    "communication": COMMUNICATION.to_json(),
    "plan_rates": "0123456789abcdef",
    "int8_share": 0.5, "swept_bytes": 1 << 26, "cuda": {"cudnn": "9"}, "device_unusable": True,
}  # fmt: skip
"""A value for every key that this version writes."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from([*KNOWN, "energy.absent", "absent", "extra", "flops_analytic"]) | st.text(max_size=9)
VALUES = st.sampled_from([*KNOWN.values(), QUOTIENTS, {"shares": {"attention": 1}}]) | JSON


def test_every_known_key_has_a_field() -> None:
    details = ResultDetails.from_json(KNOWN)
    assert details.extra == {}
    given = {name for name, value in vars(details).items() if value not in (None, {})}
    assert given == {each.name for each in fields(ResultDetails)} - {"absent", "extra"}
    assert details.roofline == Roofline(60.0, 1e11, 2e9, 5.0, 0.5, "compute", Ceilings(2e11, 4e10))
    assert details.split == CallSplit({"attention": 0.5, "other": 1}, {"attention": 3})
    assert details.training == TRAINING
    assert details.conversion == CONVERSION
    assert details.communication == COMMUNICATION
    assert (details.turns, details.retaken, details.flops_uncounted) == ((3, 4), (0.02, 1), ())


@pytest.mark.parametrize(
    ("key", "value"), [("seed", "3"), ("rate", True), ("probes", [[0.1]]), ("curve", [[0.5, 1, 1]]), ("failure", "x"),
                       ("options", []), ("at_edge", 1), ("more", 1)]
)  # fmt: skip
def test_a_training_of_another_form_is_kept_as_it_is(key: str, value: object) -> None:
    stored = {**TRAINING.to_json(), key: value}
    details = ResultDetails.from_json({"training": stored})
    assert (details.training, details.extra) == (None, {"training": stored})


@pytest.mark.parametrize(
    ("accuracies", "answers", "blind"),
    [
        ((0.07, None), 4096, True),  # five standard errors above 1/16 end at 0.0814 if 4,096 answers are validated
        ((0.07, 0.083), 4096, False),
        ((0.07, 0.08), 8192, True),  # of 512 sequences, 256 are validated: 0.0814 again, and not 0.0759
        ((0.07, 0.083), 1024, True),
        ((0.07,), 4096, False),  # one rate leaves nothing to choose
        ((), 4096, False),
        ((0.07, None), 0, False),  # the training failed
    ],
)
def test_a_rate_is_chosen_blindly_if_no_probe_did_better_than_a_guess(
    accuracies: tuple[float | None, ...], answers: int, blind: bool
) -> None:
    probes = tuple(Probe(0.001 * number, accuracy) for number, accuracy in enumerate(accuracies, 1))
    tested = 512 if answers == 8192 else 256
    found = replace(TRAINING, probes=probes, answers=answers, test_examples=tested)
    assert found.chosen_blindly(1 / 16) is blind


@given(st.dictionaries(KEYS, VALUES, max_size=8))
def test_any_details_are_written_back_as_the_same_bytes(given: dict[str, Any]) -> None:
    assert canonical_json(ResultDetails.from_json(given).to_json()) == canonical_json(given)


@given(st.dictionaries(st.sampled_from(list(KNOWN)), JSON, max_size=8))
def test_details_that_were_decoded_equal_those_that_were_made(given: dict[str, Any]) -> None:
    decoded = ResultDetails.from_json(given)
    made = ResultDetails(**vars(decoded))
    assert made == decoded
    assert canonical_json(made.to_json()) == canonical_json(given)


@pytest.mark.parametrize(
    ("key", "value"),
    [("threads", "four"), ("threads", True), ("threads", None), ("stop_reason", 1), ("turns", [1, "2"]),
     ("int8_share", -5.0), ("int8_share", 1.5), ("int8_share", True), ("int8_share", "0.5"),
     ("communication", {"backend": "gloo"}), ("communication", {**COMMUNICATION.to_json(), "collectives": {"all": 3}}),
     ("communication", {**COMMUNICATION.to_json(), "collectives": {"all": {"calls": 1, "bytes": -1}}}),
     ("retaken", [0.0]), ("tf32", []), ("pair", 1.0), ("split", {"shares": []}),
     ("split", {"shares": {}, "seconds": {}}), ("roofline", {**QUOTIENTS, "ceilings": {"compute": 2e11}}),
     ("roofline", {**QUOTIENTS, "ceilings": None}),
     ("roofline", {**QUOTIENTS, "bound": []}), ("energy.absent", 1)],
    ids=str,
)  # fmt: skip
def test_a_value_of_another_type_is_kept_but_not_believed(key: str, value: object) -> None:
    details = ResultDetails.from_json({key: value})
    assert details == ResultDetails(extra={key: value})


def test_what_a_machine_cannot_measure_is_listed_by_metric() -> None:
    details = ResultDetails.from_json({"energy.absent": "no meter", "memory.process.absent": "too small"})
    assert details.absent == {"energy": "no meter", "memory.process": "too small"}


@pytest.mark.parametrize(
    ("bound", "ceilings"),
    [("compute", Ceilings(2e11, 4e10)), ("cache", Ceilings(2e11, 4e10)), ("bandwidth", Ceilings(2e10, 4e9))],
)
def test_early_results_have_the_ceilings_that_their_quotients_imply(bound: str, ceilings: Ceilings) -> None:
    roofline = Roofline.from_json({**QUOTIENTS, "bound": bound})
    assert roofline is not None
    assert roofline.ceilings == pytest.approx(ceilings)
    assert "ceilings" not in roofline.to_json()


def test_details_are_joined_field_by_field() -> None:
    one = ResultDetails(threads=1, kernel="math", absent={"energy": "no meter"}, extra={"a": 1})
    other = ResultDetails(kernel="flash", absent={"kernel_time": "no GPU"}, extra={"b": 2})
    assert one | other == ResultDetails(
        threads=1, kernel="flash", absent={"energy": "no meter", "kernel_time": "no GPU"}, extra={"a": 1, "b": 2}
    )
