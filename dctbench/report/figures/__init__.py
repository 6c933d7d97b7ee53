"""The figures as plain dicts that plotly.js draws: selected and coloured here, so that the page's script only draws.

Plain dicts rather than plotly's own classes: the same figures at a tenth of the time, and no pandas or numpy needed.
"""

from __future__ import annotations

from dctbench.report.figures.axes import Figure
from dctbench.report.figures.latency import latency
from dctbench.report.figures.limits import split
from dctbench.report.figures.memory import memory
from dctbench.report.figures.pareto import pareto
from dctbench.report.figures.regressions import regressions
from dctbench.report.figures.roofline import roofline
from dctbench.report.figures.speedup import speedup

__all__ = ["Figure", "latency", "memory", "pareto", "regressions", "roofline", "speedup", "split"]
