"""The metrics by name, without importing any of them. A new metric is one entry in `METRICS`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from dctbench.catalog.names import added
from dctbench.text.quantity import (
    BYTES,
    CALLS,
    FLOP,
    HERTZ,
    JOULES,
    NATS,
    PROPORTION,
    RELATIVE_ERROR,
    SECONDS,
    SHARE,
    Quantity,
)

_PART = replace(SHARE, least=0.0, most=1.0)
"""A share of counted things. Others, such as a cosine, can be below 0 or round to more than 1."""
_BY_DEVICE = replace(SECONDS, least=0.0)
"""By the clock of a device, whose steps may be longer than a kernel."""
ACCURACY = "accuracy"
EVALUATE = "evaluate"
RECOVERED = "recovered."
"""Before the name of a metric: the same after a training to recover the original's outputs."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a case: its quantity, which has the unit and the formatting, and what exactly it measures.

    `target` is the module:Class of an installed package that measures it. Only that class knows the unit, so the
    quantity is None. `target` is None for the metrics of dctbench. `larger_is_better` says which way is better.
    The mean of the samples is the figure of a metric that is `averaged`: they are inputs or, by the authors' protocol,
    calls.
    """

    name: str
    quantity: Quantity | None
    summary: str
    target: str | None = None
    larger_is_better: bool = False
    averaged: bool = False

    @property
    def unit(self) -> str | None:
        """The SI unit, or None if only the class that measures it knows the unit."""
        return None if self.quantity is None else self.quantity.unit


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("latency", SECONDS, "wall time of one call"),
        Metric("memory.tensor", BYTES, "exact peak of tensor bytes during the call above what was live before it"),
        Metric("memory.process", BYTES, "what the system says the process grew by in a call (CUDA: all it holds)"),
        Metric("memory.resident", BYTES, "most memory of a process that loads only the engine and its model (bundle)"),
        Metric(
            "memory.state",
            BYTES,
            "parameters, buffers and tables that the method keeps; for an exported model, its file",
        ),
        Metric("flops", FLOP, "counted on the meta device, multiply-add = 2"),
        Metric("floor", SECONDS, "least time of one call by its FLOPs, its bytes and the calibrated ceilings"),
        Metric("error.noise", RELATIVE_ERROR, "relative error against exact float64 attention, i.i.d. input"),
        Metric("error.smooth", RELATIVE_ERROR, "the same on a smooth input, AR(1) with rho = 0.95"),
        Metric("error.input", RELATIVE_ERROR, "the same on the input that --input names"),
        *(
            Metric(
                f"cosine.{kind}",
                SHARE,
                f"cosine between the output of error.{kind} and the exact one: near 1 if they differ by scale alone",
                larger_is_better=True,
            )
            for kind in ("noise", "smooth", "input")
        ),
        Metric("error.engine", RELATIVE_ERROR, "relative difference between an exported model's output and torch's"),
        Metric("queued_time", _BY_DEVICE, "one call on the GPU if its kernels need not wait for the host (CUDA)"),
        Metric("kernel_time", _BY_DEVICE, "the GPU's own time in one call, without the gaps between kernels (CUDA)"),
        Metric("energy", JOULES, "energy of one call above what the idle device uses"),
        Metric("bytes.communicated", BYTES, "payload that each rank sends per call, by the ring algorithm (--ranks)"),
        Metric("response", SECONDS, "from the intended release of a call on a schedule to its end (--period)"),
        Metric(
            "miss_rate",
            PROPORTION,
            "share of late calls among those on a schedule",
        ),
        Metric("misses.longest", CALLS, "most calls in a row that ended after their deadline"),
        Metric("rate", HERTZ, "highest rate at which at most 1% of the calls end after the next release (--search)"),
        Metric(
            "authors.latency",
            SECONDS,
            "mean call by the protocol of DCT-Former's authors, divided by the batch: no warm-up, gradients on",
            averaged=True,
        ),
        Metric(
            "authors.memory",
            BYTES,
            "peak by the same protocol, divided by the batch: weights, inputs and what backward passes need",
        ),
        Metric(
            "setup",
            SECONDS,
            "construction of the layer: tables, plans, parameters; for an exported model, loading it; "
            "for a model of --model, its conversion and the checks of that too",
        ),
        Metric("first_call", SECONDS, "the first call, before any warm-up"),
        Metric(
            "compile",
            SECONDS,
            "the call that compiles (engine compile), records the graph (cudagraph), or the export of a model; "
            "what a process of the same run has compiled or exported is not measured again",
        ),
        Metric(ACCURACY, _PART, "of a trained model on a task's test; one figure per seed", larger_is_better=True),
        Metric("loss", NATS, "cross-entropy of a trained model on a task's test"),
        Metric("attention.share", SHARE, "share of a model's time that its own attention takes, projections included"),
        Metric(
            "drift.cosine",
            SHARE,
            "cosine between a converted model's pooled outputs and the original's",
            larger_is_better=True,
            averaged=True,
        ),
        Metric("drift.tokens", SHARE, "the same for the outputs at each token", larger_is_better=True, averaged=True),
        Metric(
            "drift.top1",
            SHARE,
            "share of inputs with the original's largest output",
            larger_is_better=True,
            averaged=True,
        ),
        Metric(
            "drift.neighbours",
            SHARE,
            "share of inputs whose nearest other input is the original's",
            larger_is_better=True,
            averaged=True,
        ),
        Metric(EVALUATE, SHARE, "what the user's evaluate(model) returned", larger_is_better=True, averaged=True),
        Metric("recover.seconds", SECONDS, "wall time of the training after a conversion, with the choice of its rate"),
        Metric(
            "train.seconds",
            SECONDS,
            "processor time of a full training on one core (GPU: wall time), drawing its data included",
        ),
    )
}


def metrics() -> Mapping[str, Metric]:
    """Return all metrics: the table above, and those that installed packages add by entry points `dctbench.metrics`.

    Raises:
        UsageError: when two of them have the same name; the message names both.
    """
    found = dict(METRICS)
    for name, target, package in added("metrics", dict.fromkeys(found, "dctbench's own")):
        found[name] = Metric(name, None, f"from {package}", target)
    return found


def metric(name: str) -> Metric | None:
    """Return dctbench's own metric of that name, or None.

    `accuracy.h4` is the accuracy on slice `h4` of a test, `evaluate.recall` a figure that the user's evaluation calls
    `recall`, and `recovered.drift.cosine` the metric `drift.cosine` after a training.
    """
    if name.startswith(RECOVERED):
        plain = metric(name.removeprefix(RECOVERED))
        return None if plain is None else replace(plain, name=name, summary=f"{plain.summary}, after training")
    if name.startswith(f"{EVALUATE}."):
        return replace(METRICS[EVALUATE], name=name)
    if name.startswith(f"{ACCURACY}."):
        part = name.removeprefix(f"{ACCURACY}.")
        return Metric(name, _PART, f"accuracy on the slice {part} of a task's test", larger_is_better=True)
    return METRICS.get(name)


def why_not_measured(name: str, figures: Iterable[float]) -> str | None:
    """Return why a figure is impossible for that metric, such as a negative time; None if all are possible.

    A metric of a package or of a later version can have any figures.
    """
    known = metric(name)
    if known is None or known.quantity is None:
        return None
    least, most = known.quantity.least, known.quantity.most
    wrong = next((figure for figure in figures if not least <= figure <= most), None)
    if wrong is None:
        return None
    if math.isnan(wrong):
        return "not a number"
    return f"{wrong:g} is less than {least:g}" if wrong < least else f"{wrong:g} is more than {most:g}"
