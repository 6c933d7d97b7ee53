"""Shared by the tests: the real command, results made by hand, misbehaving implementations, real servers."""

from __future__ import annotations

from pathlib import Path

SUPPORT = Path(__file__).parent
"""Added to PYTHONPATH, so that `--impl hostile:Segfaults` finds its module."""
ROOT = SUPPORT.parents[1]
"""The root of the checkout."""
