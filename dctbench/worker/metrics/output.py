"""Checks of the output, without which a latency means nothing: its form, that the call wrote it, and repeatability.

They run on calls that are not timed, and on one call that is timed like all others.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from dctbench.errors import DctbenchError
from dctbench.model import Case
from dctbench.worker.metrics import error


class WrongOutputError(DctbenchError):
    """The implementation's output has a wrong shape, type or values: its latency means nothing."""


class Form(NamedTuple):
    """What the output of a call must look like."""

    shape: tuple[int, ...]
    dtype: torch.dtype


def form_of(case: Case) -> Form:
    """Return the form of the output of an attention, a layer or an encoder."""
    shape: tuple[int, ...] = (case.batch, case.seq_len, case.dim)
    if case.scope == "attention":
        shape = (case.batch, case.heads, case.seq_len, case.head_dim)
    return Form(shape, getattr(torch, case.dtype))


def check_form(expected: Form, output: object) -> Tensor:
    """Return the output if it is a finite tensor of the shape and dtype that are expected.

    Raises:
        WrongOutputError: otherwise.
    """
    if not isinstance(output, Tensor):
        raise WrongOutputError(f"the output is a {type(output).__name__}, not a tensor")
    if tuple(output.shape) != expected.shape:
        raise WrongOutputError(f"the output has shape {tuple(output.shape)}, expected {expected.shape}")
    if output.dtype != expected.dtype:
        raise WrongOutputError(f"the output is {output.dtype}, expected {expected.dtype}")
    if not torch.isfinite(output).all():
        raise WrongOutputError("the output holds NaN or infinite values")
    return output


def check_depends_on_input(first: Tensor, second: Tensor) -> None:
    """Check that the outputs of two inputs differ.

    Raises:
        WrongOutputError: for a method that returns a cached output.
    """
    if torch.equal(first, second):
        raise WrongOutputError("two different inputs gave the same output: it does not depend on its input")


def check_same(case: Case, output: Tensor, before: Tensor, when: str, tf32: bool = False) -> None:
    """Check that the output equals an earlier one for the same input, up to rounding.

    With `tf32` it may come from other products, which are rounded to TF32.

    Raises:
        WrongOutputError: for a method that computes something else in a later call; `when` describes the call.
    """
    if not torch.isfinite(output).all():
        raise WrongOutputError(f"{when}, the output holds NaN or infinite values")
    if torch.equal(output, before):  # also where both are zero, to which no change is relative
        return
    change = error.relative_error(output.cpu(), before.cpu())
    if error.beyond_tolerance(change, case.dtype, tf32):
        raise WrongOutputError(f"{when}, the same input gave another output (relative difference {change:.2g})")


def check_written(call: Callable[[], Tensor]) -> None:
    """Check that the call wrote every value of its output, instead of reusing what was in memory.

    Raises:
        WrongOutputError: for an output with unwritten values.
    """
    with new_memory_holds_nan():
        output = call()
    if not torch.isfinite(output).all():
        raise WrongOutputError("the output is memory that the call did not write: it holds what was there before")


@contextmanager
def new_memory_holds_nan() -> Iterator[None]:
    """Let torch fill the results of `torch.empty` and its variants with NaN, as for deterministic algorithms."""
    before = torch.get_deterministic_debug_mode()
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.set_deterministic_debug_mode("warn")  # unlike use_deterministic_algorithms, this imports no compiler
    torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_deterministic_debug_mode(before)
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
