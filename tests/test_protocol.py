"""The pipe between a runner and a worker: what one end sends is what the other end reads."""

from __future__ import annotations

import math

import pytest

from dctbench.model import Case, ResultDetails
from dctbench.protocol import (
    CalibrateRequest,
    CalibrationReply,
    CaseReply,
    DescribeRequest,
    Description,
    Failure,
    Figures,
    ImplementationFacts,
    InspectRequest,
    MeasureRequest,
    Reply,
    Request,
    TorchReply,
    decode_case_reply,
    decode_reply,
    decode_request,
    encode_reply,
    encode_request,
)
from dctbench.text.untrusted import InvalidDataError

CASE = Case("dct-x", 4096, 8)


@pytest.mark.parametrize(
    "request_",
    [
        MeasureRequest(CASE),
        MeasureRequest(
            Case("dct-x", 4096, 2.5, threads=2), {"budget": 0.5, "turns": 7}, "/tmp/s", "cold", {"call": 5e-6}, True
        ),
        DescribeRequest(["dct-x"], [CASE, Case("none", 16)]),
        InspectRequest(),
        CalibrateRequest("cuda:0"),
    ],
    ids=lambda request: type(request).__name__,
)
def test_a_request_arrives_as_it_was_sent(request_: Request) -> None:
    line = encode_request(request_)
    assert line.count(b"\n") == 1
    assert decode_request(line) == request_


def test_a_case_keeps_its_identity() -> None:
    for ratio in (8, 8.0, 2.5, None):
        case = Case("dct-x", 4096, ratio)
        request = decode_request(encode_request(MeasureRequest(case)))
        assert isinstance(request, MeasureRequest)
        assert request.case.id == case.id


@pytest.mark.parametrize(
    "reply",
    [
        Description(
            {"none": ImplementationFacts(False, source="none.py"), "one": ImplementationFacts(True, 64)}, [1e9, None]
        ),
        TorchReply({"version": "2.13.0", "gpus": []}),
        CalibrationReply({"device": "cpu"}),
        Failure("gone", hint="look", refused=True, absent=True),
    ],
    ids=lambda reply: type(reply).__name__,
)
def test_a_reply_arrives_as_it_was_sent(reply: Description | TorchReply | CalibrationReply | Failure) -> None:
    line = encode_reply(reply)
    assert line.count(b"\n") == 1
    assert decode_reply(line, type(reply)) == reply


def test_a_failure_may_come_in_place_of_any_reply_and_no_other_reply_may() -> None:
    assert decode_reply(encode_reply(Failure("gone")), TorchReply) == Failure("gone")
    with pytest.raises(InvalidDataError, match="invalid value 'torch'"):
        decode_reply(encode_reply(TorchReply({})), CalibrationReply)


def test_the_reply_for_a_case_arrives_as_it_was_sent() -> None:
    details = ResultDetails(threads=1, absent={"energy": "no meter"})
    reply = CaseReply("ok", [Figures("latency", "s", [1e-3])], warnings=["hot"], details=details.to_json())
    found = decode_case_reply(encode_reply(reply))
    assert found == reply
    assert ResultDetails.from_json(found.details) == details


def test_a_text_of_a_subclass_is_sent_as_a_text() -> None:
    class Version(str):
        pass

    assert decode_reply(encode_reply(TorchReply({"version": Version("2.13")})), TorchReply) == TorchReply(
        {"version": "2.13"}
    )


@pytest.mark.parametrize("value", [math.nan, object(), "deep"], ids=["nan", "object", "deep"])
def test_what_json_cannot_hold_is_refused_when_it_is_sent(value: object) -> None:
    if value == "deep":
        for _ in range(100_000):
            value = [value]
    reply: Reply = CaseReply("ok", details={"value": value})
    with pytest.raises((TypeError, ValueError, RecursionError)):
        encode_reply(reply)
