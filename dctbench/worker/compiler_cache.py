"""The cache of torch's compiler while a case is compiled: a folder of that case, which no earlier run has filled."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dctbench.model import Case

_FOLDERS = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")


@contextmanager
def own_cache(case: Case, scratch: str | None) -> Iterator[bool]:
    """Let torch's compiler keep what it makes in a folder of the case. Return whether it has made nothing there yet.

    torch keeps it among temporary files for all programs. A later run would find it there, and measure how long it
    takes to read. The processes of one sweep share the folder of a case: the first one compiles, the others read.

    Args:
        case: the compiler is set up for those of engine `compile`, and imported, which takes seconds.
        scratch: a folder that the cases of one sweep share; None for a folder that is removed afterwards.
    """
    if case.engine != "compile":
        yield True
        return
    before = {name: os.environ.get(name) for name in _FOLDERS}  # the import may set them
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own use of what it deprecates
        import torch._inductor.compile_fx  # noqa: F401

    with ExitStack() as stack:
        if scratch is None:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        folder = Path(scratch) / f"compiler-{case.id}"
        empty = not folder.exists()
        folder.mkdir(exist_ok=True)
        os.environ.update(zip(_FOLDERS, (str(folder), str(folder / "triton")), strict=True))
        try:
            yield empty
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
