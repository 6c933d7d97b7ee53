"""dctbench: which attention to ship, at this length, on this device, within this budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dctbench.runs.dataframe import load_results as load_results

__version__ = "0.1.0"
__all__ = ["__version__", "load_results"]


def __getattr__(name: str) -> Any:
    """Public names, imported when they are asked for: `import dctbench` alone imports nothing heavy."""
    if name == "load_results":
        from dctbench.runs.dataframe import load_results  # noqa: PLC0415 - pandas

        return load_results
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
