"""dctbench: which attention to ship, at this length, on this device, within this budget.

The Python API mirrors the command line: `run`, `resume`, `check`, `choose` take a request and return an outcome.
Nothing is printed; a listener hears of progress (`dctbench.scheduler.events`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dctbench.app.check import check as check
    from dctbench.app.choose import choose as choose
    from dctbench.app.requests import CheckRequest as CheckRequest
    from dctbench.app.requests import ChooseRequest as ChooseRequest
    from dctbench.app.requests import ResumeRequest as ResumeRequest
    from dctbench.app.requests import RunRequest as RunRequest
    from dctbench.app.resume import resume as resume
    from dctbench.app.run import run as run
    from dctbench.runs.dataframe import load_results as load_results
    from dctbench.spec.axes import AxisValues as AxisValues
    from dctbench.spec.gate import GateRules as GateRules

__version__ = "0.1.0"
_HOMES = {
    "AxisValues": "dctbench.spec.axes",
    "CheckRequest": "dctbench.app.requests",
    "ChooseRequest": "dctbench.app.requests",
    "GateRules": "dctbench.spec.gate",
    "ResumeRequest": "dctbench.app.requests",
    "RunRequest": "dctbench.app.requests",
    "check": "dctbench.app.check",
    "choose": "dctbench.app.choose",
    "load_results": "dctbench.runs.dataframe",
    "resume": "dctbench.app.resume",
    "run": "dctbench.app.run",
}
"""The module of each public name, imported when the name is first used: `import dctbench` imports nothing heavy."""
__all__ = ["__version__", *_HOMES]  # noqa: PLE0604 - all are strings


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in _HOMES:
        import importlib  # noqa: PLC0415 - `import dctbench` is kept light

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
