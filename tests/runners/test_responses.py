"""Any bytes from a case are a valid response or an error, and ok requires possible latencies."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench import catalog
from dctbench.model import STATUSES, Case, Environment, WarningCode, canonical_json
from dctbench.protocol import MAX_REPLY_BYTES, DescribeRequest, Description, Failure
from dctbench.runners import responses, result_from_reply
from dctbench.text.untrusted import InvalidDataError
from dctbench.wording.warnings import message

TIMED = Case("none", 16)
TRAINED = Case("none", 40, batch=50, heads=4, head_dim=16, scope="encoder", mode="train", task="mnist1d")
LATENCY = {"metric": "latency", "unit": "s", "samples": [2e-3, 1e-3]}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
FIGURES = st.fixed_dictionaries(
    {
        "metric": st.sampled_from([*catalog.METRICS, "speed"]) | JSON,
        "unit": st.sampled_from(sorted({metric.unit for metric in catalog.METRICS.values() if metric.unit})) | JSON,
        "samples": st.lists(st.floats() | st.integers(), max_size=3) | JSON,
    }
)
WARNINGS = st.fixed_dictionaries(
    {"code": st.sampled_from([*(code.value for code in WarningCode), "later"]) | st.text()},
    optional={
        "message": st.text(),
        "values": st.dictionaries(
            st.sampled_from(["message", "spread", "drift", "reason", "cores", "of_cores", "names", "processes"]), JSON
        ),
    },
)
ANSWERS = st.fixed_dictionaries(
    {"status": st.sampled_from([*STATUSES, "fine"]) | JSON},
    optional={
        "measurements": st.lists(FIGURES | st.just(LATENCY), max_size=3) | JSON,
        "message": st.text() | JSON,
        "warnings": st.lists(st.text() | WARNINGS) | JSON,
        "details": st.dictionaries(st.text(), JSON) | JSON,
        "surplus": JSON,
    },
)


def line(answer: object) -> bytes:
    return json.dumps(answer).encode() + b"\n"


@given(st.binary() | JSON.map(line) | ANSWERS.map(line))
def test_any_bytes_are_a_valid_response_or_an_error(given: bytes) -> None:
    try:
        answer = responses.case_reply(TIMED, given)
    except InvalidDataError:
        return
    said = json.loads(given)
    assert answer.status == said["status"]
    assert answer.status in STATUSES
    measured = {one.metric: one for one in answer.measurements}
    if answer.status == "ok":
        assert all(0 < sample < float("inf") for sample in measured["latency"].samples)
        assert all(one.unit == catalog.METRICS[name].unit for name, one in measured.items())
        assert len(measured) == len(said["measurements"])
    else:
        assert answer.message
        assert not measured
    result = result_from_reply(Case("none", 16), 1, answer, Environment({}, "f"))
    texts = canonical_json(
        [result.message, [message(warning) for warning in result.warnings], result.details.to_json()]
    )
    assert "\x1b" not in texts.replace("\\u001b", "\x1b")


@given(st.binary() | JSON.map(line))
def test_any_bytes_are_a_valid_description_or_an_error(given: bytes) -> None:
    with contextlib.suppress(InvalidDataError):
        answer = responses.description(given, DescribeRequest(["none"], [TIMED]))
        assert isinstance(answer, Failure) or set(answer.implementations) == {"none"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (line({"status": "ok", "measurements": [{**LATENCY, "samples": [float("nan")]}]}), "JSON is malformed"),
        (b"[" * 100_000, "expected object, got array"),
        (b'{"status": "ok", "details": ' + b'{"a": ' * 100_000, "nested too deeply"),
        (b" " * (MAX_REPLY_BYTES + 1), "more than 32 MiB"),
        (b"", "truncated"),
        (line({"status": "ok"}), "the status ok without a latency"),
        (line({"status": "ok", "measurements": [{**LATENCY, "samples": [1e-3, 0]}]}), "latency: 0 is less than 1e-10"),
        (line({"status": "ok", "measurements": [{**LATENCY, "samples": []}]}), "expected array of length >= 1"),
        (line({"status": "ok", "measurements": [LATENCY, LATENCY]}), "latency: measured twice"),
        (line({"status": "ok", "measurements": [{**LATENCY, "unit": "ms"}]}), "latency: the unit 'ms' instead of 's'"),
        (line({"status": "ok", "measurements": [{**LATENCY, "metric": "speed"}]}), "no metric is called 'speed'"),
        (line({"status": "fine"}), "status: invalid enum value 'fine'"),
        (line({"status": "error"}), "the status error without a message"),
        (line({"status": "oom", "message": "m", "measurements": [LATENCY]}), "measurements with the status oom"),
        (line({"status": "oom", "message": "m", "details": {"a": [[[[[[[1]]]]]]]}}), "details: nested too deeply"),
    ],
)  # fmt: skip
def test_an_invalid_response_is_an_error_with_its_cause(answer: bytes, words: str) -> None:
    with pytest.raises(InvalidDataError) as bad:
        responses.case_reply(TIMED, answer)
    assert words in str(bad.value)


def test_unknown_metrics_of_another_environment_are_left_out() -> None:
    said = line({"status": "ok", "measurements": [LATENCY, {"metric": "withdrawn", "unit": "1", "samples": [1.0]}]})
    with pytest.raises(InvalidDataError, match="no metric is called 'withdrawn'"):
        responses.case_reply(TIMED, said)
    kept = responses.case_reply(TIMED, said, drop_unknown=True).measurements
    assert [figures.metric for figures in kept] == ["latency"]


def test_a_description_covers_exactly_the_requested_implementations() -> None:
    said = {"reply": "description", "implementations": {"none": {"uses_ratio": True}}, "flops": [12, None]}
    described = responses.description(line(said), DescribeRequest(["none"], [TIMED, TIMED]))
    assert isinstance(described, Description)
    assert described.flops == [12, None]
    for names, cases in ((["none", "sdpa"], 2), (["none"], 1)):
        with pytest.raises(InvalidDataError, match="other implementations, cases or tasks"):
            responses.description(line(said), DescribeRequest(names, [TIMED] * cases))
    refusal = responses.description(
        line({"reply": "failure", "message": "no", "refused": True}), DescribeRequest(["none"], [])
    )
    assert refusal == Failure("no", refused=True)


ACCURACY = {"metric": "accuracy", "unit": "1", "samples": [0.75]}


def test_a_training_needs_an_accuracy_and_no_latency() -> None:
    sliced = {**ACCURACY, "metric": "accuracy.h4"}
    answer = responses.case_reply(TRAINED, line({"status": "ok", "measurements": [ACCURACY, sliced]}))
    assert [one.metric for one in answer.measurements] == ["accuracy", "accuracy.h4"]
    with pytest.raises(InvalidDataError, match="without a latency"):
        responses.case_reply(TIMED, line({"status": "ok", "measurements": [ACCURACY]}))


@pytest.mark.parametrize(
    ("measurements", "words"),
    [
        ([], "without an accuracy"),
        ([LATENCY], "without an accuracy"),
        ([{**ACCURACY, "samples": [1.01]}], "accuracy: 1.01 is more than 1"),
        ([{**ACCURACY, "samples": [0.5, 0.5]}], "accuracy: not one share"),
        ([ACCURACY, {**ACCURACY, "metric": "accuracy.h1", "samples": [-0.1]}], "accuracy.h1: -0.1 is less than 0"),
        ([{**ACCURACY, "unit": "s"}], "accuracy: the unit 's' instead of '1'"),
    ],
)
def test_an_accuracy_that_is_none_is_refused(measurements: list[object], words: str) -> None:
    with pytest.raises(InvalidDataError, match=words):
        responses.case_reply(TRAINED, line({"status": "ok", "measurements": measurements}))
