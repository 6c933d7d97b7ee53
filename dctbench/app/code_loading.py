"""Code is loaded only where the command line asks for it.

A cloned folder, a result file and a store are data from strangers. They may only have installed code measured. Only the
user may name a module, or a variable that makes a process load one.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping

from dctbench import catalog
from dctbench.errors import UsageError
from dctbench.machine.environment import TUNING_VARIABLES
from dctbench.model import NOT_SHOWN, Run
from dctbench.spec.suites import Suite

_HARMLESS = TUNING_VARIABLES - {"LD_PRELOAD"}
"""Variables that only make a process faster or slower. All others are refused: besides PYTHONPATH and LD_PRELOAD, also
CXX, PATH, HOME, OMP_TOOL_LIBRARIES and CUDA_INJECTION64_PATH can make a process run a program."""


def own_code(names: Iterable[str]) -> list[str]:
    """Return the names that are module:Class, each once; all others are installed."""
    return [name for name in dict.fromkeys(names) if ":" in name]


def own_models(names: Iterable[str | None]) -> list[str]:
    """Return the models that are package.module:function, each once. Weights of `hf:` are read, never run."""
    return own_code(name for name in names if name is not None and not name.startswith(catalog.HF_PREFIX))


def check_configured_suite(suite: Suite, where: str, *, own_axes: bool) -> None:
    """Refuse a suite that would load code if only pyproject.toml names it, and not the user.

    Args:
        suite: as in its file.
        where: its path, as in pyproject.toml.
        own_axes: whether its own implementations are measured, and not those of the command line.

    Raises:
        UsageError: naming the implementation or the variable.
    """
    names = [*(suite.axes["impl"] if own_axes else ()), *filter(None, [suite.gate.reference]), *suite.axes["task"]]
    loaded = [*own_code(names), *own_models(suite.axes["model"]), *_unsafe(suite.settings.env)]
    if loaded:
        raise UsageError(
            f"suite {where}, which pyproject.toml names, sets {loaded[0]}: "
            "code is loaded only when the command line asks for it",
            hint=f"if you trust it, name it yourself: --suite {shlex.quote(where)}",
        )


def check_stored_run(run: Run) -> None:
    """Refuse a stored run with variables that are not set here, since it may come from a stranger.

    Its implementations need no check: without such variables their names find no file of a stranger.

    Raises:
        UsageError: naming the variables that do not have the same value here, or whose values are unknown because the
            run was imported from a file that leaves them out.
    """
    env = run.settings.env
    hidden = [name for name, value in env.items() if value == NOT_SHOWN]
    if hidden:
        raise UsageError(
            f"run {run.short_id} was imported from a file that leaves out the value of {', '.join(hidden)}",
            hint="measure it again here, or use the store that it was measured into",
        )
    unsafe = [name for name in _unsafe(env) if os.environ.get(name) != env[name]]
    if unsafe:
        raise UsageError(
            f"run {run.short_id} sets {', '.join(unsafe)}, with which a process may load code",
            hint="if you trust it, set the same for this command: "
            + " ".join(f"{name}={shlex.quote(env[name])}" for name in unsafe),
        )


def _unsafe(env: Mapping[str, str]) -> list[str]:
    return [name for name in env if name not in _HARMLESS]
