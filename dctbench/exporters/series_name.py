"""A name of a case that does not depend on the rest of the sweep, so that other programs can follow it over time."""

from __future__ import annotations

from dctbench.model import Case

_FURTHER = ("model", "input", "period", "deadline")


def series_name(case: Case) -> str:
    """Return `dct-x r=8 n=4096 layer forward float32 cpu eager b1 h8x64`, and what else is set."""
    words = [case.name, f"n={case.seq_len}", case.scope, case.mode, case.dtype, case.device, case.engine,
             f"b{case.batch}", f"h{case.heads}x{case.head_dim}"]  # fmt: skip
    words += [f"threads={case.threads}"] if case.threads is not None else []
    words += [f"ranks={case.ranks}"] if case.ranks is not None else []
    words += [case.task] if case.task is not None else []
    words += [f"{axis}={value}" for axis in _FURTHER if (value := getattr(case, axis)) is not None]
    return " ".join(words)
