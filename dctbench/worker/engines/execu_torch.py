"""ExecuTorch on the CPU, with XNNPACK's kernels where it has them and ExecuTorch's portable ones elsewhere."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dctbench.errors import UnavailableError, UnsupportedError, text_of
from dctbench.worker.engines.model_files import refusal

SHARE = "int8_share"
"""The method of a program in int8 that returns the share of its multiply-adds that are."""

_PLACE = re.compile(r"^\[\w+\.\w+:\d+\] ", re.MULTILINE)


class ExecuTorch:
    """A program of ExecuTorch. See `dctbench.worker.engines.Session`.

    All programs of a process share one pool of threads.
    """

    def __init__(self, path: Path, threads: int) -> None:
        runtime = _runtime()
        said: list[str] = []
        try:
            with _what_is_logged([]):
                runtime._unsafe_reset_threadpool(threads)
            with _what_is_logged(said):
                self._program = runtime._load_program(str(path))
                self._method = self._program.load_method("forward")
        except RuntimeError as error:
            why = "; ".join([*said, refusal(error)])[:300]
            raise UnsupportedError(f"ExecuTorch refuses the model: {why}") from None

    def bind(self, arguments: Sequence[Tensor], output: Tensor) -> Any:
        """Return the inputs. All of them have one output, in memory of the program."""
        return tuple(arguments)

    def run(self, bound: Any) -> Tensor:
        """Run the program once."""
        self._method.set_inputs(bound)
        self._method.execute()
        output: Tensor = self._method.get_outputs(clone_outputs=False)[0]
        return output


def stated_share(path: Path) -> float:
    """Return the share of the multiply-adds of matrix products that a program states to compute in int8."""
    with _what_is_logged([]):
        method = _runtime()._load_program(str(path)).load_method(SHARE)
    method.execute()
    [share] = method.get_outputs()
    return float(share)


def _runtime() -> Any:
    """Return the interface of the runtime, which is built for one version of torch.

    Raises:
        UnavailableError: beside another version of torch.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that it may change
            from executorch.extension.pybindings import portable_lib
    except ImportError as error:
        raise UnavailableError(
            f"ExecuTorch cannot be loaded together with torch {torch.__version__}: {text_of(error)[:200]}",
            hint="install the version of executorch that was made for this torch",
        ) from None
    return portable_lib


with suppress(UnavailableError):  # which the first program says
    _runtime()  # here, so that the time to load that program is not the time of an import


@contextmanager
def _what_is_logged(said: list[str]) -> Iterator[None]:
    """Append the lines that are logged meanwhile: an exception of ExecuTorch holds only the number of its error."""
    log = io.StringIO()
    try:
        with redirect_stderr(log):  # to which it redirects the error stream of C++
            yield
    finally:
        said += _PLACE.sub("", log.getvalue()).splitlines()
