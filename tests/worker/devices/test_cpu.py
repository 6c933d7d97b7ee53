"""The CPU device: caches, load by other processes, and energy counters."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from dctbench import catalog
from dctbench.errors import UnavailableError
from dctbench.machine import contention, host, power_meters
from dctbench.machine.contention import Neighbours, Usage
from dctbench.machine.energy import NoEnergyError
from dctbench.model import CaseWarning, ResultDetails, WarningCode
from dctbench.wording.warnings import message
from dctbench.worker.devices import DeviceModule, cpu

SPIN = "import time; end = time.monotonic() + 60\nwhile time.monotonic() < end: pass"


@contextmanager
def spinning() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", SPIN])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", catalog.DEVICES)
def test_every_device_module_has_the_whole_interface(name: str) -> None:
    module = catalog.DEVICES[name].load()
    wanted = {word for word in vars(DeviceModule) if not word.startswith("_")} | {"SAMPLING", "CACHE"}
    assert {word for word in wanted if not hasattr(module, word)} == set()


def test_a_busy_process_is_noticed_and_named() -> None:
    with spinning() as neighbour:
        watch = cpu.watch("cpu")
        deadline = time.monotonic() + 30  # on a busy machine it takes time until the process starts and gets its share
        said: tuple[str, ...] = ()
        while time.monotonic() < deadline and not any("other processes used" in text for text in said):
            time.sleep(0.5)
            said = tuple(map(message, watch.conditions().warnings))
        named = seen = False
        while time.monotonic() < deadline and not (named and seen):
            named = named or any(f"(pid {neighbour.pid}," in text for text in contention.busiest(0.5, count=10))
            seen = seen or any(f"(pid {neighbour.pid})" in text for text in contention.running(count=50))
        assert any("other processes used" in text and "stop them" in text for text in said)
        assert (named, seen) == (True, True)


def test_own_work_does_not_count_as_load() -> None:
    before = contention._Counters(wall=0, busy=10, stolen=0, own=5, cores=2)
    after = contention._Counters(wall=2, busy=13.5, stolen=0.4, own=8, cores=2)
    watch = Neighbours()
    watch._before = before
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contention._Counters, "read", lambda: after)
        usage = watch.usage()
    assert usage is not None
    assert astuple(usage) == (2, 0.25, pytest.approx(0.1), 2)


def test_processors_have_the_numbers_of_the_kernel(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  9 9 9\ncpu0 1 0 0\ncpu2 1 0 0\ncpu16 1 0 0\nintr 5\nctxt 7\n", encoding="ascii")
    assert list(contention.processor_numbers(3, stat)) == [0, 2, 16]
    assert list(contention.processor_numbers(4, stat)) == [0, 1, 2, 3]
    assert list(contention.processor_numbers(2, tmp_path / "none")) == [0, 1]


def test_load_is_measured_in_a_container_with_other_processor_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {10_000}, raising=False)
    watch = Neighbours()
    time.sleep(2 * contention.SHORTEST)
    usage = watch.usage()
    assert usage is not None
    assert usage.of_cores == psutil.cpu_count()


def test_a_short_window_gives_no_load() -> None:
    watch = Neighbours()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contention._Counters, "read", lambda: watch._before)
        assert watch.usage() is None


def test_the_other_process_of_a_pair_does_not_count_as_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Neighbours, "usage", lambda self: Usage(1.0, 0.9, 0.2, 2))
    monkeypatch.setattr(host, "governor", lambda: "performance")
    seen = cpu.watch("cpu", paired=True).conditions()
    assert seen.warnings == (CaseWarning(WarningCode.STOLEN_TIME, {"share": 0.2}),)
    assert seen.details == ResultDetails(stolen=0.2)


def test_governor_and_stolen_time_are_warnings_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = cpu.watch("cpu")
    monkeypatch.setattr(Neighbours, "usage", lambda self: Usage(1.0, 0.0, 0.2, 2))
    monkeypatch.setattr(host, "governor", lambda: "powersave")
    said = tuple(map(message, watch.conditions().warnings))
    assert any("20% of the processor time" in text for text in said)
    assert any("'powersave'" in text and "cpupower" in text for text in said)
    monkeypatch.setattr(Neighbours, "usage", lambda self: Usage(1.0, 0.1, 0.0, 2))
    monkeypatch.setattr(host, "governor", lambda: "performance")
    assert cpu.watch("cpu").conditions().warnings == ()


def test_a_cold_call_is_timed_after_a_sweep_larger_than_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep only reads: after a write, the call would wait for the memory."""
    swept: list[int] = []
    real = torch.sum

    def summed(buffer: torch.Tensor, **given: Any) -> torch.Tensor:
        swept.append(buffer.nbytes)
        version = buffer._version
        found = real(buffer, **given)
        assert buffer._version == version
        return found

    monkeypatch.setattr(torch, "sum", summed)
    stopwatch = cpu.stopwatch("cpu", "cold")
    assert [stopwatch(lambda: swept.append(0)) > 0 for _ in range(2)] == [True, True]
    assert [number > (host.last_level_cache_bytes() or 0) for number in swept] == [True, False, True, False]


def test_a_machine_without_an_energy_meter_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise NoEnergyError("no meter", "plug one in")

    monkeypatch.setattr(power_meters, "find", none)
    with pytest.raises(UnavailableError, match="no meter") as refused:
        cpu.energy_counter("cpu")
    assert refused.value.hint == "plug one in"
