"""The files of a case in a bundle."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch

from dctbench.model import Case
from dctbench.protocol import BundleRequest
from dctbench.worker import serve
from dctbench.worker.engines import bundled


def test_a_file_system_without_hard_links_holds_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAT and exFAT, the file systems of many cards of small devices."""

    def refused(self: Path, other: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    case = Case("sdpa", 32, heads=2, head_dim=8, engine="onnxruntime")
    model = tmp_path / "shared.onnx"
    model.write_bytes(b"the model")  # an export takes seconds, and other tests make them
    made = bundled.bundled(case, tmp_path, model, torch.zeros(1))
    assert (made.message, made.model) == (None, f"{case.id}.onnx")
    held = {path.name: path.read_bytes() for path in tmp_path.glob("*.onnx")}
    assert held == {"shared.onnx": b"the model", f"{case.id}.onnx": b"the model"}


def test_a_case_that_raises_is_left_out_as_run_describes_it_and_the_others_are_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exported(case: Case, subject: object, folder: Path, *others: object) -> Path:
        if case.seq_len == 16:
            raise RuntimeError("odd shape")
        if case.seq_len == 32:
            raise MemoryError
        (folder / "shared.onnx").write_bytes(b"the model")
        return folder / "shared.onnx"

    monkeypatch.setattr(bundled, "model_file", exported)
    cases = [Case("sdpa", n, heads=2, head_dim=8, engine="onnxruntime") for n in (16, 32, 64)]
    odd, large, good = serve.bundle(BundleRequest(cases, str(tmp_path))).cases
    assert (odd.status, odd.model) == ("error", None)
    assert (odd.message or "").startswith("RuntimeError: odd shape (test_bundled.py:")
    assert (large.status, large.message) == ("oom", "out of memory in Python")
    assert (good.status, good.message, good.model) == ("ok", None, f"{cases[2].id}.onnx")


def test_a_full_disk_is_no_failure_of_a_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*words: object, **flags: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "shared.onnx").write_bytes(b"the model")
    monkeypatch.setattr(bundled, "model_file", lambda *words: tmp_path / "shared.onnx")
    monkeypatch.setattr("numpy.save", full)
    case = Case("sdpa", 32, heads=2, head_dim=8, engine="onnxruntime")
    with pytest.raises(OSError, match="No space left"):
        serve.bundle(BundleRequest([case], str(tmp_path)))
