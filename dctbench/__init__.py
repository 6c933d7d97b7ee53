"""dctbench: which attention to ship, at this length, on this device, within this budget."""

from __future__ import annotations

__version__ = "0.1.0"
