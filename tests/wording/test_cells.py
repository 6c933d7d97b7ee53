"""The row of a training in a table: its accuracy in place of a latency, and a failure in words."""

from __future__ import annotations

from dctbench.analysis import summarise
from dctbench.wording.cells import row
from dctbench.wording.labels import Labels
from tests.support.trained import trained


def test_a_training_shows_the_mean_accuracy_of_its_seeds() -> None:
    [summary] = summarise(trained("sdpa", [0.5, 0.75]))
    shown = row(summary, None, Labels([summary.case]))
    assert (shown.latency, shown.failure) == ("accuracy 0.625", None)


def test_a_training_that_failed_with_a_seed_shows_why() -> None:
    [summary] = summarise(trained("sdpa", [0.5, None]))
    shown = row(summary, None, Labels([summary.case]))
    assert shown.failure is not None
    assert "RuntimeError: broken at step 100" in shown.failure
