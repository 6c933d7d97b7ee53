"""The files of a case for a target without torch: its model, inputs, and the output that torch computes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dctbench.model import Case, digest
from dctbench.protocol import BundledCase
from dctbench.worker.collected import Collected
from dctbench.worker.engines.deployed import check_exportable, model_file
from dctbench.worker.metrics import inputs
from dctbench.worker.workload import SEED, gradients, make_arguments, make_module, make_workload

INPUTS = 2
"""Different inputs in turn. More would only make the bundle larger."""


def exported(case: Case, folder: Path) -> tuple[Path, Tensor]:
    """Export the model of a case into a folder. Return its file and the output that torch computes.

    Raises:
        UnsupportedError: for a case that cannot be exported.
        UnavailableError: for a method that is not available here.
        Exception: whatever the code of the method raises.
    """
    torch.manual_seed(SEED)
    check_exportable(case)
    with gradients(case):
        subject = make_workload(case, make_module(case))
        return model_file(case, subject, folder, None, Collected()), subject.output(_arguments(case, 0))


def bundled(case: Case, folder: Path, model: Path, expected: Tensor) -> BundledCase:
    """Write the files of an exported case, and return their names. Inputs of one shape are written once."""
    own = model.with_name(f"{case.id}.onnx")
    if not own.exists():
        _shared(own, model)
    names = [
        [_saved(folder, _input_name(case, number, place), one) for place, one in enumerate(_arguments(case, number))]
        for number in range(INPUTS)
    ]
    return BundledCase(model=own.name, expected=_saved(folder, f"{case.id}-output.npy", expected), inputs=names)


def _shared(own: Path, model: Path) -> None:
    """Give a file a second name, or copy it where the file system knows no hard links, such as FAT and exFAT."""
    try:
        own.hardlink_to(model)
    except OSError:
        shutil.copyfile(model, own)


def _arguments(case: Case, number: int) -> tuple[Tensor, ...]:
    return make_arguments(case, inputs.noise, number)


def _input_name(case: Case, number: int, place: int) -> str:
    shape = (case.scope, case.batch, case.seq_len, case.heads, case.head_dim, case.dtype)
    return f"input-{digest(shape)}-{number}-{place}.npy"


def _saved(folder: Path, name: str, tensor: Tensor) -> str:
    if not (folder / name).exists():
        np.save(folder / name, tensor.contiguous().numpy(), allow_pickle=False)
    return name
