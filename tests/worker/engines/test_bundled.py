"""The files of a case in a bundle."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from dctbench.model import Case
from dctbench.worker.engines import bundled


def test_a_file_system_without_hard_links_holds_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAT and exFAT, the file systems of many cards of small devices."""

    def refused(self: Path, other: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    def exported(case: Case, subject: object, folder: Path, *others: object) -> Path:
        (folder / "shared.onnx").write_bytes(b"the model")  # an export takes seconds, and other tests make them
        return folder / "shared.onnx"

    monkeypatch.setattr(Path, "hardlink_to", refused)
    monkeypatch.setattr(bundled, "model_file", exported)
    case = Case("sdpa", 32, heads=2, head_dim=8, engine="onnxruntime")
    made = bundled.bundled(case, tmp_path)
    assert (made.message, made.model) == (None, f"{case.id}.onnx")
    held = {path.name: path.read_bytes() for path in tmp_path.glob("*.onnx")}
    assert held == {"shared.onnx": b"the model", f"{case.id}.onnx": b"the model"}
