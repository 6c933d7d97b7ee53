"""System files that the tests write."""

from __future__ import annotations

import pytest

from dctbench.machine import host, processor


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Replace the system's files by texts, by path."""
    texts: dict[str, str] = {}
    for module in (host, processor):
        monkeypatch.setattr(module, "read_text", lambda path: texts.get(str(path)))
    return texts
