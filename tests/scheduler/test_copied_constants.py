"""What cannot import torch repeats constants of the worker: they are the same."""

from __future__ import annotations

from dctbench.bundle import target
from dctbench.scheduler import estimate
from dctbench.worker import authors, progress
from dctbench.worker.metrics import error, inputs
from dctbench.worker.metrics.latency import Sampling


def test_an_estimate_counts_with_the_constants_of_the_worker() -> None:
    assert estimate.ROTATION == inputs.ROTATION
    assert (estimate.EXACT_ROWS, estimate.EXACT_ROWS_ABOVE) == (error.QUERY_ROWS, error.ROWS_ABOVE)
    assert estimate.LONG_CALL == progress.LONG_CALL == Sampling().long_call
    assert Sampling().long_seconds == estimate.LONG_SECONDS
    assert Sampling().sample_least == estimate.LEAST_CALL
    of_authors = estimate.AUTHORS_CALLS, estimate.AUTHORS_LEAST_CALLS, estimate.AUTHORS_CPU_SECONDS
    assert of_authors == (authors.CALLS, authors.LEAST_CALLS, authors.CPU_SECONDS)


def test_the_program_of_a_bundle_warms_up_and_samples_like_the_worker() -> None:
    assert target.LONG_CALL == progress.LONG_CALL
    assert Sampling().warmup_least == target.WARM_UP_SECONDS
    assert Sampling().sample_least == target.LEAST_SAMPLE_SECONDS
