"""A further rank looks at its own device before it says that it is ready."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dctbench.errors import UnavailableError
from dctbench.model import Case
from dctbench.protocol import MeasureRequest
from dctbench.worker.devices import cpu
from dctbench.worker.ranks import follow


def test_a_rank_without_its_device_says_so_before_it_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "unavailable", lambda name: f"{name}: another program holds it")
    said, pipe = os.pipe()
    with pytest.raises(UnavailableError, match=r"^cpu: another program holds it$"):
        follow._follow(MeasureRequest(Case("sdpa", 64, ranks=2)), 1, tmp_path, 1.0, pipe)
    os.close(pipe)
    with os.fdopen(said, "rb") as told:
        assert told.read() == b""
