"""What several rooms of tests share: the real command, results made by hand, misbehaving code, real servers."""

from __future__ import annotations

from pathlib import Path

SUPPORT = Path(__file__).parent
"""On PYTHONPATH, so that `--impl hostile:Segfaults` finds its module."""
ROOT = SUPPORT.parents[1]
"""The checkout."""
