"""A case that is also measured by another protocol, in a second process: what both replied, as one reply."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from msgspec import structs

from dctbench.model import JSON, CaseWarning, ResultDetails, WarningCode
from dctbench.protocol import CaseReply
from dctbench.runners.exchange import Exchange
from dctbench.text.untrusted import MAX_METRICS, MAX_WARNINGS, Free, InvalidDataError, check_free
from dctbench.text.warning_values import warning_record

AUTHORS_LATENCY = "authors.latency"
"""The metric that a case measured by the authors' protocol has."""
_BY_AUTHORS = "authors."
"""What the names of its metrics and of its details begin with."""
_NO_DEFECT = ("oom", "unsupported", "skipped")
"""How a process ends without a figure where that is no fault of the measurement."""


def joined(done: Exchange[CaseReply], by_authors: Exchange[CaseReply]) -> Exchange[CaseReply]:
    """Return what the first process replied, with the figures of the second one.

    If the second has none, the case keeps its own figures, and says why the others are missing. Of each process only
    the figures of its own protocol count, and both together keep to the limits of one reply, so that they can be
    stored.
    """
    ours, other = done.reply, by_authors.reply
    assert isinstance(ours, CaseReply)
    measurements = [one for one in ours.measurements if not one.metric.startswith(_BY_AUTHORS)]
    warnings, details = list(ours.warnings), ours.details
    if isinstance(other, CaseReply) and other.status == "ok":
        measurements += [one for one in other.measurements if one.metric.startswith(_BY_AUTHORS)]
        warnings += other.warnings
        details = _with(details, {key: value for key, value in other.details.items() if key.startswith(_BY_AUTHORS)})
    else:
        reason = other.message or other.status
        if isinstance(other, CaseReply) and other.status in _NO_DEFECT:
            details = _with(details, ResultDetails(absent={AUTHORS_LATENCY: reason}).to_json())
        else:
            told = CaseWarning(WarningCode.NOT_MEASURED, {"metric": AUTHORS_LATENCY, "reason": reason})
            warnings.append(warning_record(told))
    reply = structs.replace(
        ours, measurements=measurements[:MAX_METRICS], warnings=warnings[:MAX_WARNINGS], details=details
    )
    return replace(done, reply=reply, left=done.left + by_authors.left)


def _with(details: JSON, more: JSON) -> JSON:
    """Return details with some more, or without them if all together are beyond the limits of details."""
    together = {**more, **details}
    try:
        check_free(msgspec.convert(together, Free), "details")
    except (msgspec.ValidationError, InvalidDataError):
        return details
    return together
