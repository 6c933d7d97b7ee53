"""A case that is also measured by another protocol, in a second process: what both replied, as one reply."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from dctbench.model import CaseWarning, ResultDetails, WarningCode
from dctbench.protocol import CaseReply, Failure
from dctbench.runners.exchange import Exchange
from dctbench.text.warning_values import warning_record

AUTHORS_LATENCY = "authors.latency"
"""The metric that a case measured by the authors' protocol has."""
_NO_DEFECT = ("oom", "unsupported", "skipped")
"""How a process ends without a figure where that is no fault of the measurement."""


def joined(done: Exchange[CaseReply], beside: Exchange[CaseReply]) -> Exchange[CaseReply]:
    """Return what the first process replied, with the figures of the second one.

    If the second has none, the case keeps its own figures, and says why the others are missing.
    """
    ours, other = done.reply, beside.reply
    assert isinstance(ours, CaseReply)
    done = replace(done, left=done.left + beside.left)
    if isinstance(other, CaseReply) and other.status == "ok":
        measurements = [*ours.measurements, *other.measurements]
        details = {**other.details, **ours.details}
        return replace(
            done,
            reply=structs.replace(
                ours, measurements=measurements, details=details, warnings=[*ours.warnings, *other.warnings]
            ),
        )
    reason = other.message or other.status
    if not isinstance(other, Failure) and other.status in _NO_DEFECT:
        absent = ResultDetails(absent={AUTHORS_LATENCY: reason}).to_json()
        return replace(done, reply=structs.replace(ours, details={**ours.details, **absent}))
    warning = warning_record(CaseWarning(WarningCode.NOT_MEASURED, {"metric": AUTHORS_LATENCY, "reason": reason}))
    return replace(done, reply=structs.replace(ours, warnings=[*ours.warnings, warning]))
