"""The names of devices, and what happens with absent devices."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dctbench.errors import UnavailableError, UsageError
from dctbench.machine import nvml
from dctbench.model import Case
from dctbench.protocol import MeasureRequest
from dctbench.runners.local import LocalRunner, LocalSettings
from dctbench.spec import axes
from dctbench.worker.serve import measure
from tests.support.nvml import FakeNvml, use


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["cpu"], ["cpu"]),
        (["cuda"], ["cuda:0"]),
        (["cpu,cuda:1", "cuda:01"], ["cpu", "cuda:1"]),
        (["mps", "cuda:0", "cuda"], ["mps", "cuda:0"]),
    ],
)
def test_a_device_has_one_spelling(words: list[str], names: list[str]) -> None:
    assert axes.words("device", words) == names


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("cuba", "unknown device 'cuba'; did you mean 'cuda'"),
        ("gpu:0", "unknown device 'gpu:0'; did you mean 'cuda:0'?"),
        ("gpu", "unknown device 'gpu'; did you mean 'cuda'?"),
        ("cuda:", "only GPUs are numbered"),
        ("cuda:x", "only GPUs are numbered"),
        ("cuda:٣", "only GPUs are numbered"),
        ("cpu:0", "only GPUs are numbered"),
        ("mps:1", "only GPUs are numbered"),
    ],
)
def test_what_is_no_device_is_refused(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        axes.words("device", [word])


def test_absent_devices_are_reported_beside_a_present_one_and_refused_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_driver() -> object:
        raise UnavailableError("no NVIDIA driver on this machine")

    monkeypatch.setattr(nvml, "load_library", no_driver)
    assert nvml.require(["cpu", "cuda:0"]) == {"cuda:0": "cuda:0: no NVIDIA driver on this machine"}
    assert nvml.require(["cpu"]) == {}
    assert nvml.facts() is None
    with pytest.raises(UnavailableError, match="no NVIDIA driver") as refused:
        nvml.require(["cuda:0"])
    assert refused.value.exit_code == 6
    assert refused.value.hint


def test_where_nvml_cannot_be_read_a_worker_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a Jetson, with ROCm and in some containers."""

    def no_driver() -> object:
        raise UnavailableError("no NVIDIA driver on this machine")

    monkeypatch.setattr(nvml, "load_library", no_driver)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.13.0")
    asked: list[str] = []

    def ask(devices: Sequence[str]) -> dict[str, str]:
        asked.extend(devices)
        return {"cuda:1": "cuda:1: torch finds 1 CUDA device(s)"}

    assert nvml.require(["cpu", "cuda:0", "cuda:1"], {}, ask) == {"cuda:1": "cuda:1: torch finds 1 CUDA device(s)"}
    assert asked == ["cuda:0", "cuda:1"]


def test_a_gpu_that_nvml_knows_and_torch_cannot_use_is_absent_with_torchs_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(monkeypatch, FakeNvml(count=1), torch="2.13.0")
    with pytest.raises(UnavailableError, match="driver on your system is too old"):
        nvml.require(["cuda:0"], {}, lambda devices: {"cuda:0": "the NVIDIA driver on your system is too old"})


def test_a_worker_says_which_devices_torch_cannot_use() -> None:
    with LocalRunner(LocalSettings()) as runner:
        assert runner.unusable(["cpu"]) == {}
        unusable = runner.unusable(["cpu", "cuda:7"])
    assert list(unusable) == ["cuda:7"]
    assert unusable["cuda:7"].startswith("cuda:7: ")


def test_a_number_beyond_the_visible_gpus_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakeNvml(count=1), torch="2.13.0")
    assert nvml.unavailable("cuda:0", {}) is None
    assert nvml.unavailable("cuda:1", {}) == "cuda:1: there is 1 GPU visible here"
    assert nvml.unavailable("cuda:0", {"CUDA_VISIBLE_DEVICES": ""}) == "cuda:0: there are 0 GPUs visible here"


def test_a_torch_without_cuda_makes_every_gpu_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakeNvml(count=1), torch="2.13.0+cpu")
    assert nvml.unavailable("cuda:0", {}) == "cuda:0: this torch (2.13.0+cpu) was built without CUDA"


def test_metal_needs_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert "Mac" in str(nvml.unavailable("mps"))


@pytest.mark.parametrize("name", ["cuda:7", "mps"])
def test_a_case_on_an_absent_device_is_skipped_with_the_reason(name: str) -> None:
    reply = measure(MeasureRequest(Case("sdpa", 16, heads=2, head_dim=8, device=name)))
    assert reply.status == "skipped"
    assert str(reply.message).startswith(f"{name}: ")
