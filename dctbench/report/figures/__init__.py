"""What figures and sentences of the page are made of, as plain data that plotly.js or an SVG draws."""

from __future__ import annotations

from dctbench.report.figures.axes import Figure
from dctbench.report.figures.limits import roofs

__all__ = ["Figure", "roofs"]
