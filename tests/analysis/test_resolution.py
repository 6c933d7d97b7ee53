"""The resolution of methods: where their accuracy falls halfway between chance and exact attention."""

from __future__ import annotations

import numpy as np
import pytest

from dctbench.analysis.accuracy import TaskResults, task_results
from dctbench.analysis.resolution import acuities
from dctbench.model import Result
from tests.support.trained import learned, trained

WIDTHS = (1, 2, 4, 8, 16)


def read(name: str, curves: list[list[float] | None], ratio: float | None = None, task: str = "acuity") -> list[Result]:
    """Trainings whose accuracy at each width is given by seed; None for one that failed."""
    slices = {f"h{width}": [0.0 if c is None else c[i] for c in curves] for i, width in enumerate(WIDTHS)}
    means = [None if curve is None else float(np.mean(curve)) for curve in curves]
    return trained(name, means, ratio=ratio, seq_len=64, slices=slices, task=task)


def results(*cases: list[Result]) -> TaskResults:
    [found] = task_results(learned(*cases))
    return found


EXACT = read("sdpa", [[1.0] * 5] * 3)


def test_the_resolution_is_halfway_between_chance_and_exact_attention() -> None:
    chance, curve = 1 / 8, [0.2, 0.4, 0.9, 1.0, 1.0]
    exact, one = acuities(results(EXACT, read("dct-x", [curve] * 3, ratio=4)))
    assert exact.case.implementation == "sdpa"
    assert exact.resolution is not None
    assert (exact.resolution.value, exact.resolution.beyond) == (None, "finer")
    assert one.resolution is not None
    expected = 2 ** np.interp((1 + chance) / 2, curve, np.log2(WIDTHS))
    assert one.resolution.value == pytest.approx(expected)
    assert one.means == pytest.approx(curve)


def test_the_level_is_that_of_exact_attention_in_the_same_seed() -> None:
    poor = read("sdpa", [[0.5, 0.6, 0.8, 0.8, 0.8]] * 3)
    _, one = acuities(results(poor, read("dct-x", [[0.2, 0.3, 0.5, 0.8, 0.8]] * 3, ratio=4)))
    chance = 1 / 8
    share = [(a - chance) / (b - chance) for a, b in zip([0.2, 0.3, 0.5, 0.8], [0.5, 0.6, 0.8, 0.8], strict=True)]
    assert one.resolution is not None
    assert one.resolution.value == pytest.approx(2 ** np.interp(0.5, share, [0, 1, 2, 3]))


def test_a_failed_training_is_at_chance_at_every_width() -> None:
    _, one = acuities(results(EXACT, read("dct-x", [[1.0] * 5, None, [1.0] * 5], ratio=2)))
    assert one.means == pytest.approx([(1 + 1 + 1 / 8) / 3] * 5)
    assert one.resolution is not None
    assert one.resolution.low is None  # its interval covers every width
    assert one.resolution.high is None


def test_without_exact_attention_there_are_curves_but_no_resolution() -> None:
    [one] = acuities(results(read("dct-x", [[0.2, 0.4, 0.9, 1.0, 1.0]], ratio=4)))
    assert (one.resolution, one.intervals) == (None, None)


def test_a_width_at_which_exact_attention_is_near_chance_is_left_out() -> None:
    blind = read("sdpa", [[0.15, 1.0, 1.0, 1.0, 1.0]] * 2)
    _, one = acuities(results(blind, read("dct-x", [[0.15, 0.4, 0.9, 1.0, 1.0]] * 2, ratio=4)))
    assert one.resolution is not None
    assert one.resolution.narrowest == 2


def test_a_task_without_slices_by_width_has_no_acuity() -> None:
    assert acuities(results(trained("sdpa", [0.8, 0.8]))) == []
