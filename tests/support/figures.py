"""The figures that Python makes, as the page's script hands them to plotly."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

_COLOR = re.compile(r"light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)")


def on_white(figure: Mapping[str, Any]) -> go.Figure:
    """A figure in its colours for a white ground. It fails where plotly does not accept a part of it."""
    return go.Figure(json.loads(_COLOR.sub(r"\1", json.dumps(figure))))
