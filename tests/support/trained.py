"""Trainings made by hand: accuracies by seed, for tests of what accuracy says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dctbench.analysis import Summary, summarise
from dctbench.model import Case, Measurement, Probe, Result, ResultDetails, Training
from dctbench.model.task import RATES
from tests.support.made import ENVIRONMENT

SHAPE: Mapping[str, Any] = {"batch": 50, "heads": 4, "head_dim": 16, "scope": "encoder", "mode": "train"}


def trained(
    implementation: str,
    accuracies: Sequence[float | None],
    *,
    task: str = "mnist1d",
    ratio: float | None = None,
    kept: int | None = None,
    seq_len: int = 40,
    slices: Mapping[str, Sequence[float]] | None = None,
    edge: Sequence[int] = (),
    blind: Sequence[int] = (),
    seconds: float = 7.0,
    steps: int = 500,
    test_examples: int = 1000,
    options: Mapping[str, int] | None = None,
) -> list[Result]:
    """Return a training per accuracy, in rounds 1, 2 and so on; None is a training that crashed at step 100.

    Args:
        slices: by name, an accuracy per training.
        edge: the rounds in which the best rate was at the edge of the grid.
        blind: the rounds in which no rate did better than a guess in its probe.
        options: of the layer, other than its defaults.
    """
    case = Case(implementation, seq_len, ratio, kept=kept, task=task, **SHAPE)
    results = []
    for number, accuracy in enumerate(accuracies, 1):
        training = Training(
            seed=number, steps=steps, probe_steps=125, rate=3e-3, at_edge=number in edge, test_examples=test_examples,
            answers=test_examples, probes=tuple(Probe(rate, 0.1 if number in blind else 0.5) for rate in RATES),
            failure=None if accuracy is not None else "crashed", failed_step=None if accuracy is not None else 100,
            options=options or {},
        )  # fmt: skip
        measurements = []
        if accuracy is not None:
            measurements = [
                Measurement("accuracy", "1", (accuracy,)),
                Measurement("train.seconds", "s", (seconds,)),
                *(Measurement(f"accuracy.{n}", "1", (values[number - 1],)) for n, values in (slices or {}).items()),
            ]
        results.append(
            Result(
                case=case,
                round=number,
                status="ok" if accuracy is not None else "error",
                message=None if accuracy is not None else "RuntimeError: broken at step 100",
                measurements=tuple(measurements),
                details=ResultDetails(training=training),
                fingerprint=ENVIRONMENT.fingerprint,
                host=ENVIRONMENT.host,
            )
        )
    return results


def learned(*trainings: Sequence[Result]) -> list[Summary]:
    """Return the summaries of several cases, as those of one run."""
    return summarise(result for case in trainings for result in case)


ACUITY: Mapping[tuple[str, float | None], Sequence[float]] = {
    ("sdpa", None): (1.0, 1.0, 1.0, 1.0, 1.0),
    ("dct-x", 4): (0.46, 0.74, 0.97, 1.0, 1.0),
    ("dct-x", 8): (0.33, 0.44, 0.68, 0.91, 0.97),
    ("pool", 4): (0.41, 0.60, 0.79, 0.90, 0.94),
    ("none", None): (0.13, 0.14, 0.15, 0.18, 0.23),
}
"""Accuracy at detail 1, 2, 4, 8 and 16 wide."""
SMOOTH: Mapping[tuple[str, float | None], tuple[float, float]] = {
    ("sdpa", None): (0.82, 0.82),
    ("dct-x", 4): (0.86, 0.78),
    ("dct-x", 8): (0.79, 0.70),
    ("pool", 4): (0.825, 0.76),
    ("none", None): (0.40, 0.40),
}
"""Accuracy on mnist1d in order and scrambled."""
_SWING = (-0.002, 0.0, 0.002)


def whole_suite() -> list[Result]:
    """Three seeds of acuity, of mnist1d in order and scrambled, and of a task that says nothing."""
    found: list[Result] = []
    for (name, ratio), curve in ACUITY.items():
        sign = -1 if name == "pool" else 1
        slices = {
            f"h{width}": [min(1.0, value + sign * swing) for swing in _SWING]
            for width, value in zip((1, 2, 4, 8, 16), curve, strict=True)
        }
        means = [sum(values[seed] for values in slices.values()) / 5 for seed in range(3)]
        found += trained(
            name, means, task="acuity", ratio=ratio, seq_len=64, slices=slices, seconds=8 - (ratio or 1) / 4
        )
    for (name, ratio), accuracies in SMOOTH.items():
        for task, accuracy in zip(("mnist1d", "mnist1d/scrambled"), accuracies, strict=True):
            sign = 1 if ratio else -1
            found += trained(name, [accuracy + sign * swing for swing in _SWING], task=task, ratio=ratio, edge=(1,))
    found += trained("linformer", [0.79, 0.3, None], ratio=4)
    found += trained("sdpa", [0.5, 0.51, 0.5], task="masked-bytes", seq_len=256)
    return found + trained("none", [0.49, 0.5, 0.49], task="masked-bytes", seq_len=256)
