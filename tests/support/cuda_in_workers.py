"""The device of `cuda_on_cpu` in every process of a command: a hook that acts when dctbench's modules are imported.

`folder` holds a `sitecustomize.py`, so that each interpreter with it on its PYTHONPATH installs the hook. It imports
nothing heavy itself, because a zygote must not have run any computation.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]


def variables(folder: Path) -> dict[str, str]:
    """Return the variables of a command whose processes have the device; `folder` is for the file they need."""
    (folder / "sitecustomize.py").write_text("from tests.support import cuda_in_workers\ncuda_in_workers.install()\n")
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def install() -> None:
    """Act on the modules when they are imported."""
    sys.meta_path.insert(0, _Hook({"dctbench.machine.nvml": _driver, "dctbench.worker.devices.cuda": _device}))


class _Hook(importlib.abc.MetaPathFinder):
    def __init__(self, actions: Mapping[str, Callable[[Any], None]]) -> None:
        self._actions = dict(actions)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        act = self._actions.pop(name, None)
        spec = None if act is None else importlib.machinery.PathFinder.find_spec(name, path)
        if act is None or spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def load_and_act(module: ModuleType) -> None:
            load(module)
            act(module)

        spec.loader.exec_module = load_and_act  # type: ignore[method-assign]
        return spec


def _driver(module: Any) -> None:
    from tests.support.nvml import FakeNvml

    library = FakeNvml(running={})
    module.load_library = lambda: library
    module._cpu_build = lambda: None


def _device(module: Any) -> None:
    import pytest

    from tests.support.cuda_on_cpu import cuda_on_cpu
    from tests.support.nvml import FakeNvml

    module.entered = cuda_on_cpu(pytest.MonkeyPatch(), FakeNvml(running={}))  # it would end with its last reference
    module.entered.__enter__()
