"""Checks of what a measured process replies: bytes from code that nobody here has seen.

Whatever an implementation writes into the channel of its process, or does to the figures that were taken, the case gets
a result. That is `ok` only with a latency that a clock can have shown.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import structs

from dctbench import catalog
from dctbench.protocol import CaseReply, Description, Failure, Figures, decode_case_reply, decode_reply
from dctbench.text.sanitize import sanitize_text, sanitize_values
from dctbench.text.untrusted import InvalidDataError, Seconds, validation_message
from dctbench.text.warning_values import read_warning, warning_record


def case_reply(line: bytes, *, drop_unknown: bool = False) -> CaseReply:
    """Return the reply to a request to measure a case.

    Args:
        line: as it was received.
        drop_unknown: leave out metrics that are not known here. Another environment may have others installed.

    Raises:
        InvalidDataError: naming what is wrong with it.
    """
    reply = decode_case_reply(line)
    measurements = reply.measurements
    if reply.status == "ok":
        if drop_unknown:
            measurements = [figures for figures in measurements if figures.metric in catalog.metrics()]
        _check_figures(measurements)
    elif measurements:
        raise InvalidDataError(f"measurements with the status {reply.status}")
    elif not reply.message:
        raise InvalidDataError(f"the status {reply.status} without a message")
    return structs.replace(
        reply,
        measurements=measurements,
        message=None if reply.message is None else sanitize_text(reply.message),
        warnings=[warning_record(read_warning(warning)) for warning in reply.warnings],
        details=sanitize_values(reply.details),
    )


def _check_figures(measurements: Sequence[Figures]) -> None:
    known = catalog.metrics()
    for number, figures in enumerate(measurements):
        if figures.metric not in known:
            raise InvalidDataError(f"measurements[{number}]: no metric is called {sanitize_text(figures.metric)!r}")
        unit = known[figures.metric].unit
        if unit is not None and figures.unit != unit:  # the metric of a package states its unit with its figure
            raise InvalidDataError(f"{figures.metric}: the unit {sanitize_text(figures.unit)!r} instead of {unit!r}")
    names = [figures.metric for figures in measurements]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InvalidDataError(f"{twice}: measured twice")
    if "latency" not in names:
        raise InvalidDataError("the status ok without a latency")
    try:
        msgspec.convert(measurements[names.index("latency")].samples, list[Seconds])
    except msgspec.ValidationError as error:
        raise InvalidDataError(validation_message(str(error), "latency")) from None


def description(line: bytes, implementations: Sequence[str], cases: int) -> Description | Failure:
    """Return the reply to a request to describe these implementations and this many cases.

    Raises:
        InvalidDataError: naming what is wrong with it.
    """
    reply = decode_reply(line, Description)
    if isinstance(reply, Failure):
        return reply
    if set(reply.implementations) != set(implementations) or len(reply.flops) != cases:
        raise InvalidDataError("about other implementations or cases than it was asked about")
    return reply
