"""The facts and readings of NVML, and missing ones, with fake GPUs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from dctbench.doctor.gpu import findings
from dctbench.errors import UnavailableError, UnsupportedError
from dctbench.machine import nvml as gpus
from dctbench.wording.warnings import message
from dctbench.worker.devices import cuda, cuda_timing
from tests.support.nvml import FakeNvml, Recorded, use


def test_the_facts_of_a_gpu_are_in_base_units_and_json(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakeNvml())
    assert gpus.facts({}) == [
        {
            "name": "Made-up GPU",
            "uuid": "GPU-00000000-aaaa",
            "memory_bytes": 8 << 30,
            "driver": "1.2.3",
            "clock_mhz": 2000,
            "power_cap_watts": 300.0,
        }
    ]
    use(monkeypatch, FakeNvml(default_clock=1800))
    assert gpus.visible({})[0].facts().clock_mhz == 1800


@pytest.mark.parametrize(
    ("chosen", "indices"),
    [
        (None, [0, 1, 2]),
        ("1", [1]),
        ("2,0", [2, 0]),
        ("GPU-00000001", [1]),
        ("0,9,1", [0]),
        ("-1", []),
        ("", []),
        ("0,-1,2", [0]),
        ("-", []),
        ("-aaaa", []),
        ("aaaa", []),
        ("GPU-0000", []),
        ("2,GPU-0000,1", [2]),
        ("²", []),
        ("MIG-nobody,1", []),
    ],
)
def test_cuda_visible_devices_chooses_as_cuda_does(
    monkeypatch: pytest.MonkeyPatch, chosen: str | None, indices: list[int]
) -> None:
    use(monkeypatch, FakeNvml(count=3))
    variables = {} if chosen is None else {"CUDA_VISIBLE_DEVICES": chosen}
    assert [gauge.facts().uuid for gauge in gpus.visible(variables)] == [f"GPU-{i:08d}-aaaa" for i in indices]


def test_a_part_of_a_gpu_is_visible_by_its_own_uuid(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakeNvml(parts=("MIG-1", "MIG-2")))
    [part] = gpus.visible({"CUDA_VISIBLE_DEVICES": "MIG-2"})
    assert part.facts().uuid == "MIG-2"


def test_one_gpu_has_one_name_however_processes_number_it(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakeNvml(count=2))
    second = "GPU-00000001-aaaa"
    assert gpus.physical("cuda:1", {}) == gpus.physical("cuda:0", {"CUDA_VISIBLE_DEVICES": "1"}) == second
    assert gpus.physical("cuda", {}) == gpus.physical("cuda:0", {}) != second
    assert gpus.physical("cuda:7", {}) == "cuda:7"
    assert gpus.physical("cpu", {}) == "cpu"
    use(monkeypatch, FakeNvml(lost=True))
    assert gpus.physical("cuda:0", {}) == "cuda:0"


def test_a_gpu_that_shares_the_machines_memory_has_none_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakeNvml(memory=None))
    [facts] = gpus.facts({}) or []
    assert facts["memory_bytes"] is None
    assert gpus.visible({})[0].facts().title == "Made-up GPU"


def messages(watch: cuda.Watch) -> list[str]:
    return [message(warning) for warning in watch.conditions().warnings]


def test_a_lost_gpu_gives_a_reason_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakeNvml(lost=True))
    assert gpus.facts({}) is None
    with pytest.raises(UnavailableError, match="NVML: GPU is lost"):
        gpus.visible({})[0].facts()
    monkeypatch.setattr(cuda, "gauge", lambda name: gpus.visible({})[0])
    assert any("GPU is lost" in text for text in messages(cuda.watch("cuda:0")))
    [finding] = findings({}, {})
    assert "GPU is lost" in finding.found


def test_readings_name_the_reasons_for_throttling_and_idling_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakeNvml(reasons=0x1 | 0x4 | 0x40))
    reading = gpus.visible({})[0].reading()
    assert reading.throttling == ("power cap", "thermal (hardware)")
    assert (reading.clock_mhz, reading.power_watts, reading.temperature_c) == (1500, 120.0, 40)


def test_a_missing_sensor_reads_none(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakeNvml(clock=None, millijoules=None, running=None))
    gauge = gpus.visible({})[0]
    assert (gauge.clock_mhz(), gauge.joules(), gauge.processes()) == (None, None, None)


def test_a_gpu_is_found_by_torchs_spelling_of_its_uuid(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakeNvml(count=2))
    assert gpus.gauge("00000001-aaaa").facts().uuid == "GPU-00000001-aaaa"
    with pytest.raises(UnavailableError, match="does not know GPU"):
        gpus.gauge("00000009-aaaa")


def test_a_gpu_and_a_part_of_one_have_the_handle_of_either_spelling() -> None:
    library = FakeNvml(parts=("MIG-1b2c",))
    assert gpus.handle_of(library, "00000000-aaaa") == gpus.handle_of(library, "GPU-00000000-aaaa") == 0
    assert gpus.handle_of(library, "1b2c") == gpus.handle_of(library, "MIG-1b2c") == 100
    with pytest.raises(UnavailableError, match="NVML does not know GPU unknown: not found"):
        gpus.handle_of(library, "unknown")


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    made = FakeNvml()
    use(monkeypatch, made)
    monkeypatch.setattr(cuda, "gauge", lambda name: gpus.gauge("00000000-aaaa"))
    return made


def test_a_sample_under_three_quarters_of_the_highest_clock_is_disturbed(nvml: FakeNvml) -> None:
    watch = cuda.watch("cuda:0")
    assert watch.disturbed() is None  # under a cap the default of 2000 MHz may never be reached
    nvml.clock = 1124
    assert watch.disturbed() == "the SM clock was at 1124 MHz, after 1500 MHz"
    gpu = watch.conditions().details.gpu
    assert gpu is not None
    assert (gpu["slowest_clock_mhz"], gpu["highest_clock_mhz"]) == (1124, 1500)
    assert (gpu["before"]["clock_mhz"], gpu["after"]["clock_mhz"]) == (1500, 1124)


def test_throttling_and_other_processes_on_the_gpu_are_warnings(nvml: FakeNvml) -> None:
    nvml.running = {os.getpid(): 1, 4_000_000: 2}
    watch = cuda.watch("cuda:0")
    nvml.reasons = 0x20
    said = " ".join(messages(watch))
    assert "limited by: thermal (driver)" in said
    assert "1 other process computes on this GPU" in said


def test_the_other_process_of_a_pair_is_ignored_on_the_gpu_and_a_third_is_not(nvml: FakeNvml) -> None:
    nvml.running = {os.getpid(): 1, 4_000_000: 2}
    assert not any("on this GPU" in text for text in messages(cuda.watch("cuda:0", paired=True)))
    nvml.running[4_000_001] = 2
    said = " ".join(messages(cuda.watch("cuda:0", paired=True)))
    assert "1 other process computes on this GPU" in said


def test_a_gpu_without_nvml_is_measured_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(name: str) -> gpus.Gauge:
        raise UnavailableError("no NVML")

    monkeypatch.setattr(cuda, "gauge", blind)
    watch = cuda.watch("cuda:0")
    assert watch.disturbed() is None
    assert any("not known (no NVML)" in text for text in messages(watch))
    with pytest.raises(UnavailableError):
        cuda.energy_counter("cuda:0")


def test_energy_is_in_joules_and_absent_where_the_gpu_does_not_count(nvml: FakeNvml) -> None:
    assert cuda.energy_counter("cuda:0").joules() == 5.0
    nvml.millijoules = None
    with pytest.raises(UnavailableError, match="no energy counter"):
        cuda.energy_counter("cuda:0")


def test_process_memory_is_absent_where_nvml_sees_other_process_ids(
    nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda, "synchronize", lambda name: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    nvml.running = {os.getpid(): 123}
    assert cuda.process_bytes("cuda:0", lambda: None) == 123
    nvml.running = {4_000_000: 123}
    with pytest.raises(UnsupportedError, match="does not list this process"):
        cuda.process_bytes("cuda:0", lambda: None)


class FakeStream:
    """A GPU whose calls take 1 ms, on a host whose clock advances only while it waits for the whole device."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.late = 0.0
        monkeypatch.setattr(cuda_timing, "_Event", lambda enable_timing: self)
        monkeypatch.setattr(cuda_timing, "_stream", lambda index: None)
        monkeypatch.setattr(cuda_timing, "_clock", lambda: self.now)
        monkeypatch.setattr(cuda_timing, "_wait", self.wait)

    def record(self, stream: object) -> None:
        pass

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, end: object) -> float:
        return 1.0

    def wait(self, index: int) -> None:
        self.now += self.late


@pytest.mark.parametrize("late", [0.0004, 0.05], ids=["less than the call", "more than the call"])
@pytest.mark.parametrize("pattern", [(1, 1, 1), (1, 1, 0, 1), (1, 0, 1, 0, 1), (1, 0, 0, 1, 0, 0, 1)], ids=str)
def test_work_that_escapes_to_another_stream_is_timed_and_refused_at_the_third_time(
    pattern: tuple[int, ...], late: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = FakeStream(monkeypatch)
    stopwatch = cuda.stopwatch("cuda:0", "warm")
    *before, _ = pattern
    for escapes in before:
        stream.late = escapes * late
        assert stopwatch(lambda: None) == pytest.approx(1e-3 + escapes * late)
    stream.late = late
    with pytest.raises(cuda_timing.EscapedWorkError, match=rf"{late * 1e3:.2f} ms of work on another stream"):
        stopwatch(lambda: None)


def test_a_host_that_is_delayed_now_and_then_is_no_escaped_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once or twice among few calls, and once in five among many."""
    stream = FakeStream(monkeypatch)
    stopwatch = cuda.stopwatch("cuda:0", "warm")
    for number in range(100):
        stream.late = 0.05 if number < 2 or (number >= 20 and number % 5 == 0) else 0.0
        assert stopwatch(lambda: None) == pytest.approx(1e-3 + stream.late)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("CUDA error: out of memory\nmore"), "out of memory: CUDA error: out of memory"),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling"), "CUBLAS_STATUS_ALLOC_FAILED"),
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has"),
         "out of memory: Tried to allocate 2.00 GiB"),
    ],
)  # fmt: skip
def test_running_out_of_memory_is_distinguished_from_other_errors(error: Exception, words: str) -> None:
    assert words in str(cuda.out_of_memory(error))
    assert cuda.out_of_memory(RuntimeError("CUDA error: an illegal memory access")) is None


def test_the_answers_of_a_real_library_are_understood() -> None:
    """`nvml_answers.json` is made up until the one that `benchmarks.first_gpu` writes on a GPU takes its place."""
    answers = json.loads(Path(__file__).with_name("nvml_answers.json").read_text(encoding="utf-8"))
    gauge = gpus.Gauge(Recorded(answers), None)
    facts, reading, violations = gauge.facts(), gauge.reading(), gauge.violations()
    assert facts.name
    assert facts.uuid.startswith(("GPU-", "MIG-"))
    assert facts.memory_bytes is None or facts.memory_bytes > 1 << 30
    assert facts.clock_mhz is None or 100 < facts.clock_mhz < 10_000
    assert facts.power_cap_watts is None or 1 < facts.power_cap_watts < 10_000
    assert reading.clock_mhz is None or 0 < reading.clock_mhz < 10_000
    assert reading.power_watts is None or 0 < reading.power_watts < 10_000
    assert reading.temperature_c is None or 0 < reading.temperature_c < 120
    assert violations is None or all(0 <= seconds < 1e9 for seconds in violations.values())
    processes = gauge.processes()
    assert processes is None or all(isinstance(pid, int) for pid in processes)
