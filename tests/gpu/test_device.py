"""The CUDA device: stopwatch, sensors and memory, with workloads known by arithmetic."""

from __future__ import annotations

from time import perf_counter

import pytest
import torch
from torch import Tensor

from dctbench.errors import UnavailableError, UnsupportedError
from dctbench.machine import energy, nvml
from dctbench.worker.devices import cuda, cuda_timing

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
DEVICE = "cuda:0"
MIB = 1 << 20


@pytest.fixture
def matrix() -> Tensor:
    cuda.use(DEVICE)
    return torch.randn(4096, 4096, device=DEVICE)


def test_a_span_agrees_with_the_wall_clock_on_work_of_many_milliseconds(matrix: Tensor) -> None:
    stopwatch = cuda.stopwatch(DEVICE, "warm")

    def work() -> None:
        for _ in range(40):
            torch.mm(matrix, matrix)

    stopwatch(work)
    span = min(stopwatch(work) for _ in range(5))
    walls = []
    for _ in range(5):
        cuda.synchronize(DEVICE)
        start = perf_counter()
        work()
        cuda.synchronize(DEVICE)
        walls.append(perf_counter() - start)
    assert span <= min(walls) * 1.02
    assert span >= min(walls) * 0.8


def test_emptying_the_cache_is_no_part_of_the_time_and_makes_small_reads_slower() -> None:
    cuda.use(DEVICE)
    x = torch.ones(4 * MIB, device=DEVICE)  # 16 MiB, which fits the L2 cache of any GPU since 2020
    out = torch.empty_like(x)
    times = {}
    for cache in ("warm", "cold"):
        stopwatch = cuda.stopwatch(DEVICE, cache)
        times[cache] = sorted(stopwatch(lambda: torch.neg(x, out=out)) for _ in range(50))[25]
    buffer = torch.zeros(cuda.swept_bytes(DEVICE) // 4, dtype=torch.int32, device=DEVICE)
    sweep = sorted(cuda.stopwatch(DEVICE, "warm")(buffer.zero_) for _ in range(50))[25]
    assert times["cold"] > times["warm"]
    assert times["cold"] < times["warm"] + sweep


def test_the_cache_is_emptied_by_its_real_size() -> None:
    size = getattr(torch.cuda.get_device_properties(0), "L2_cache_size", None)
    assert size
    assert cuda.swept_bytes(DEVICE) >= size


def test_work_that_escapes_to_another_stream_is_refused(matrix: Tensor) -> None:
    side = torch.cuda.Stream()
    stopwatch = cuda.stopwatch(DEVICE, "warm")

    def escape() -> None:
        with torch.cuda.stream(side):
            for _ in range(100):
                torch.mm(matrix, matrix)

    stopwatch(escape)
    stopwatch(escape)
    with pytest.raises(cuda_timing.EscapedWorkError, match="another stream"):
        stopwatch(escape)


def test_the_clock_bound_early_is_used(matrix: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    stopwatch = cuda.stopwatch(DEVICE, "cold")
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *a: None)
    monkeypatch.setattr(torch.cuda, "Event", None)
    assert stopwatch(lambda: torch.mm(matrix, matrix)) > 0


@pytest.mark.parametrize("mib", [1, 8, 256])
def test_the_tensor_peak_is_exact(mib: int) -> None:
    cuda.use(DEVICE)

    def call() -> None:
        torch.empty(mib * MIB, dtype=torch.uint8, device=DEVICE)

    assert cuda.peak_tensor_bytes(DEVICE, call) == mib * MIB


def test_the_peak_is_of_what_lives_at_once_and_the_result_counts() -> None:
    def call() -> Tensor:
        first = torch.empty(16 * MIB, dtype=torch.uint8, device=DEVICE)
        del first
        second = torch.empty(8 * MIB, dtype=torch.uint8, device=DEVICE)
        third = torch.empty(32 * MIB, dtype=torch.uint8, device=DEVICE)
        del third
        return second

    assert cuda.peak_tensor_bytes(DEVICE, call) == 40 * MIB


def test_process_memory_holds_the_tensors_where_nvml_sees_the_process(matrix: Tensor) -> None:
    try:
        held = cuda.process_bytes(DEVICE, lambda: torch.mm(matrix, matrix))
    except UnsupportedError as reason:
        pytest.skip(reason.message)
    assert held >= matrix.untyped_storage().nbytes()


def test_free_memory_shrinks_by_what_is_allocated() -> None:
    before = cuda.memory_bytes(DEVICE)
    held = torch.empty(512 * MIB, dtype=torch.uint8, device=DEVICE)
    assert before - cuda.memory_bytes(DEVICE) == pytest.approx(held.nbytes, rel=0.1)


def test_running_out_of_memory_is_recognised() -> None:
    with pytest.raises(RuntimeError) as failed:
        torch.empty(1 << 50, dtype=torch.uint8, device=DEVICE)
    assert "out of memory" in str(cuda.out_of_memory(failed.value))


def test_the_kernels_of_a_call_fill_at_most_its_span(matrix: Tensor) -> None:
    def call() -> Tensor:
        return torch.softmax(torch.mm(matrix, matrix), dim=-1)

    found = cuda.kernel_seconds(DEVICE, call, "cold")
    assert found is not None
    seconds, kernels = found
    stopwatch = cuda.stopwatch(DEVICE, "cold")
    span = sorted(stopwatch(call) for _ in range(20))[10]
    assert kernels >= 2
    assert 0.3 * span < seconds < 1.2 * span


def test_a_queued_call_takes_no_longer_than_its_span_and_no_less_than_its_kernels(matrix: Tensor) -> None:
    def call(prepared: object = None) -> Tensor:
        y = matrix
        for _ in range(10):
            y = torch.neg(y[:64])  # small kernels: the host launches them more slowly than they run
        return y

    stopwatch = cuda.stopwatch(DEVICE, "cold")
    span = sorted(stopwatch(call) for _ in range(20))[10]
    queued = sorted(cuda.queued_seconds(DEVICE, lambda number: None, call, "cold"))
    kernels = cuda.kernel_seconds(DEVICE, call, "cold")
    assert kernels is not None
    assert kernels[0] * 0.5 < queued[len(queued) // 2] < span * 1.1


def test_a_call_that_waits_for_the_gpu_cannot_be_queued(matrix: Tensor) -> None:
    with pytest.raises(UnsupportedError, match="cannot be queued"):
        cuda.queued_seconds(DEVICE, lambda number: None, lambda prepared: matrix.sum().item(), "warm")


def test_energy_of_a_busy_gpu_is_between_idle_and_its_cap(matrix: Tensor) -> None:
    try:
        counter = cuda.energy_counter(DEVICE)
    except UnavailableError as reason:
        pytest.skip(reason.message)
    start = perf_counter()
    used = energy.measure(lambda number: torch.mm(matrix, matrix), lambda: cuda.synchronize(DEVICE), counter)
    assert perf_counter() - start < 6
    cap = cuda.gauge(DEVICE).facts().power_cap_watts
    watts = used.joules * used.calls / 2.0
    assert watts > 0
    assert used.idle_watts > 0
    assert cap is None or used.idle_watts < cap


def test_the_gpu_of_nvml_is_the_gpu_of_torch() -> None:
    facts = cuda.gauge(DEVICE).facts()
    assert facts.name == torch.cuda.get_device_name(0)
    assert facts.memory_bytes is not None
    assert facts.memory_bytes >= torch.cuda.get_device_properties(0).total_memory
    assert facts.clock_mhz
    assert nvml.unavailable(DEVICE) is None
    assert nvml.unavailable("cuda:99") is not None


def test_a_watch_reads_clock_and_temperature_before_and_after(matrix: Tensor) -> None:
    watch = cuda.watch(DEVICE)
    torch.mm(matrix, matrix)
    watch.disturbed()
    gpu = watch.conditions().details.gpu
    assert gpu is not None
    assert gpu["default_clock_mhz"] > 0
    assert gpu["before"]["clock_mhz"] > 0
    assert 0 < gpu["after"]["temperature_c"] < 120
