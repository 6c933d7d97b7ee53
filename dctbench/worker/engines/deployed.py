"""A module as an engine runs it: exported, perhaps quantised, loaded, and called with bound inputs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from dctbench.catalog.engines import ENGINES, Form, Precision
from dctbench.errors import UnsupportedError
from dctbench.model import Case, ResultDetails, digest
from dctbench.worker.bound import Bound
from dctbench.worker.collected import Collected
from dctbench.worker.engines import Session
from dctbench.worker.metrics import inputs
from dctbench.worker.metrics.error import relative_error
from dctbench.worker.metrics.output import WrongOutputError
from dctbench.worker.workload import Rates, Workload, make_arguments

LARGEST_DIFFERENCE = 1e-4
"""The largest relative difference between the outputs of an exported float32 model and of torch."""


class Deployed(Bound):
    """An exported model in place of the module. Inputs are bound once, so that a call is the engine's run alone.

    The next run may overwrite the output of `run`.
    """

    def __init__(self, session: Session, shape: Sequence[int], dtype: torch.dtype) -> None:
        super().__init__()
        self._session = session
        self.run = session.run
        self._shape, self._dtype = tuple(shape), dtype
        self._bound: dict[tuple[int, ...], tuple[Any, Sequence[Tensor]]] = {}

    def bind(self, arguments: Sequence[Tensor]) -> Any:
        """Return the engine's binding of these inputs, the same one for the same memory."""
        key = tuple(argument.data_ptr() for argument in arguments)
        if key not in self._bound:
            held = [a if a.is_contiguous() else a.contiguous() for a in arguments]
            output = torch.empty(self._shape, dtype=self._dtype)
            self._bound[key] = (self._session.bind(held, output), held)
        bound, copies = self._bound[key]
        for copy, argument in zip(copies, arguments, strict=True):
            if copy is not argument:
                copy.copy_(argument)  # its values may be new
        return bound

    def forward(self, *arguments: Tensor) -> Tensor:
        """Return the output for any inputs, in memory of its own."""
        held = [argument.contiguous() for argument in arguments]
        output = torch.empty(self._shape, dtype=self._dtype)
        seen = self._session.run(self._session.bind(held, output))
        return seen if seen is output else output.copy_(seen)


def deploy(
    case: Case,
    subject: Workload,
    scratch: str | None,
    rates: Rates | None,
    collected: Collected,
    clock: Callable[[], float] = perf_counter,
) -> tuple[Workload, Tensor]:
    """Return the workload with its module exported and loaded, and torch's output for its first input.

    What that takes is measured: `compile` is the time of export and quantisation, which only the process that does it
    has; `setup` is the load time, and `memory.state` the size of the model. Importing the engine is part of neither.
    The engine has not been called yet.

    Raises:
        UnsupportedError: for what the engine does not run.
    """
    check_exportable(case)
    with tempfile.TemporaryDirectory() as own:
        path = model_file(case, subject, Path(scratch or own), rates, collected, clock)
        engine = ENGINES[case.engine].load()
        start = clock()
        session = engine(path, torch.get_num_threads())
        collected.add("setup", clock() - start)
        collected.add("memory.state", path.stat().st_size)
    eager = subject.output(subject.first)
    return replace(subject, module=Deployed(session, eager.shape, eager.dtype)), eager


def compare_with_torch(case: Case, output: Tensor, eager: Tensor, collected: Collected) -> None:
    """Measure `error.engine`, the difference of an engine's output from torch's for the same input.

    Raises:
        WrongOutputError: for a float32 model whose output differs from torch's.
    """
    difference = relative_error(output, eager)
    if ENGINES[case.engine].precision == "float32" and not difference <= LARGEST_DIFFERENCE:
        raise WrongOutputError(f"the output of {case.engine} differs from torch's by {difference:.2g}")
    collected.add("error.engine", difference)


def check_exportable(case: Case) -> None:
    """Refuse a case that no exported model computes.

    Raises:
        UnsupportedError: for another mode than forward, another device than the CPU, and another dtype than float32.
    """
    if case.mode != "forward" or case.device_kind != "cpu" or case.dtype != "float32":
        raise UnsupportedError(f"engine {case.engine!r} runs a forward pass in float32 on the CPU, nothing else")


def model_file(
    case: Case,
    subject: Workload,
    folder: Path,
    rates: Rates | None,
    collected: Collected,
    clock: Callable[[], float] = perf_counter,
) -> Path:
    """Return the file of the model of a case, which is made if no process of the sweep has made it before."""
    engine = ENGINES[case.engine]
    common = replace(case, engine="eager", threads=None, period=None, deadline=None).to_record()
    name = f"model-{digest({**common, 'rates': dict(rates or {})})}"
    making = Making(clock)
    path, share = (_FORMS[engine.form])(case, subject, folder / name, engine.precision, making)
    if making.seconds is not None:
        collected.add("compile", making.seconds)
    if share is not None:
        collected.details |= ResultDetails(int8_share=round(share, 4))
    return path


class Making:
    """How long it takes to make the files of a model; `seconds` is None if nothing was made."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.seconds: float | None = None
        self._clock = clock

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the time of a step."""
        start = self._clock()
        yield
        self.seconds = (self.seconds or 0.0) + self._clock() - start


def _onnx_file(
    case: Case, subject: Workload, stem: Path, precision: Precision, making: Making
) -> tuple[Path, float | None]:
    """Return a model of ONNX and, for one in int8, the share of its multiply-adds that are."""
    from dctbench.worker.engines import export

    float_model = stem.with_suffix(".onnx")
    if not float_model.exists():
        export.import_exporter()
        with making.timed():
            export.export(subject.module, subject.arguments[0], float_model)
    if precision == "float32":
        return float_model, None
    path = stem.with_suffix(f".{precision}.onnx")
    if not path.exists():
        # Nothing is measured on these: ranges that fit the very inputs of an error would clip nothing there.
        numbers = range(1 + inputs.ROTATION, 3 + inputs.ROTATION)
        drawn = [make_arguments(case, draw, number) for draw in (inputs.noise, inputs.smooth) for number in numbers]
        with making.timed():
            export.quantise(float_model, path, precision, [[a.contiguous() for a in one] for one in drawn])
    return path, export.quantised_share(path)


def _pte_file(
    case: Case, subject: Workload, stem: Path, precision: Precision, making: Making
) -> tuple[Path, float | None]:
    """Return a program of ExecuTorch and, for one in int8, the share of its multiply-adds that are."""
    path = stem.with_suffix(".pte" if precision == "float32" else f".{precision}.pte")
    if not path.exists():
        from dctbench.worker.engines import lowering  # only here: its import takes seconds

        with making.timed():
            lowering.lower(subject.module, subject.arguments[0], path, precision)
    if precision == "float32":
        return path, None
    from dctbench.worker.engines.execu_torch import stated_share

    return path, stated_share(path)


_FORMS: Mapping[Form, Callable[[Case, Workload, Path, Precision, Making], tuple[Path, float | None]]] = {
    "onnx": _onnx_file, "pte": _pte_file,
}  # fmt: skip
