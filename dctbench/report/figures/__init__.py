"""Figures that are made here as plain data, which plotly.js or an SVG draws."""

from __future__ import annotations

from dctbench.report.figures.axes import Figure

__all__ = ["Figure"]
