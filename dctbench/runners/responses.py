"""Checks of what a measured process replies: bytes from code that nobody here has seen.

Whatever an implementation writes into the channel of its process, or does to the figures that were taken, the case gets
a result. That is `ok` only with a latency that a clock can have shown.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from dctbench import catalog
from dctbench.model import Case
from dctbench.protocol import CaseReply, DescribeRequest, Description, Failure, Figures, decode_case_reply, decode_reply
from dctbench.text.sanitize import sanitize_text, sanitize_values
from dctbench.text.untrusted import InvalidDataError
from dctbench.text.warning_values import read_warning, warning_record


def case_reply(case: Case, line: bytes, *, drop_unknown: bool = False, latency: str = "latency") -> CaseReply:
    """Return the reply to a request to measure a case.

    Args:
        case: that was to be measured.
        line: as it was received.
        drop_unknown: leave out metrics that are not known here. Another environment may have others installed.
        latency: the metric that a case which is timed must have.

    Raises:
        InvalidDataError: naming what is wrong with it.
    """
    reply = decode_case_reply(line)
    measurements = reply.measurements
    if reply.status == "ok":
        if drop_unknown:
            known = catalog.metrics()
            measurements = [each for each in measurements if catalog.metric(each.metric) or each.metric in known]
        _check_figures(measurements)
        if case.task is None:
            _check_latency(measurements, latency)
        else:
            _check_accuracy(measurements)
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
    added = catalog.metrics()
    for number, figures in enumerate(measurements):
        metric = catalog.metric(figures.metric) or added.get(figures.metric)
        if metric is None:
            raise InvalidDataError(f"measurements[{number}]: no metric is called {sanitize_text(figures.metric)!r}")
        if metric.unit is not None and figures.unit != metric.unit:  # that of a package states its unit with its figure
            raise InvalidDataError(
                f"{sanitize_text(figures.metric)}: the unit {sanitize_text(figures.unit)!r} instead of {metric.unit!r}"
            )
        reason = catalog.why_not_measured(figures.metric, figures.samples)
        if reason is not None:
            raise InvalidDataError(f"{sanitize_text(figures.metric)}: {reason}")
    names = [figures.metric for figures in measurements]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InvalidDataError(f"{sanitize_text(twice)}: measured twice")


def _check_latency(measurements: Sequence[Figures], metric: str) -> None:
    """Check that there is a latency."""
    if not any(each.metric == metric for each in measurements):
        raise InvalidDataError(f"the status ok without {'a latency' if metric == 'latency' else metric}")


def _check_accuracy(measurements: Sequence[Figures]) -> None:
    """Check that there is an accuracy, and that every accuracy is one share."""
    shares = [each for each in measurements if each.metric.partition(".")[0] == catalog.ACCURACY]
    if not any(each.metric == catalog.ACCURACY for each in shares):
        raise InvalidDataError("a training with the status ok without an accuracy")
    for each in shares:
        if len(each.samples) != 1:
            raise InvalidDataError(f"{sanitize_text(each.metric)}: not one share")


def description(line: bytes, asked: DescribeRequest) -> Description | Failure:
    """Return the reply to a request to describe implementations, cases and tasks.

    Raises:
        InvalidDataError: naming what is wrong with it.
    """
    reply = decode_reply(line, Description)
    if isinstance(reply, Failure):
        return reply
    told = (set(reply.implementations), len(reply.flops), set(reply.tasks))
    if told != (set(asked.implementations), len(asked.cases), set(asked.tasks)):
        raise InvalidDataError("about other implementations, cases or tasks than it was asked about")
    return reply
