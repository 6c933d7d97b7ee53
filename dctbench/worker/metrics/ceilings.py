"""Measure the ceilings of a machine (matrix products by dtype, a copy) and the rates of the transform planner.

Everything is measured in several rounds, seconds apart. The best round counts, since a burst of load makes the machine
look slower than it is. Within a round the second best sample counts, since the clock of a virtual machine now and then
makes one sample look twice as fast as all others. If the two best rounds differ, the value is unreliable.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from time import perf_counter

import torch
from torch import Tensor

from dctbench.machine.calibration import DTYPES, Calibration
from dctbench.machine.contention import Neighbours
from dctbench.machine.host import last_level_cache_bytes
from dctbench.transforms import BlockSlotsDct, CostModel, default_cost_model, real_fft_flops

GEMM_SIZES = (512, 1024, 2048, 4096, 8192)
ROUNDS = 4
GEMM_SECONDS = 0.25
"""Seconds per dtype, size and round."""
SLOWEST_PRODUCT = 0.25
"""Seconds. Sizes whose product would take longer are skipped, for dtypes that the machine multiplies slowly."""
COPY_SECONDS = 0.25
RATE_SECONDS = 0.03
LEAST_SAMPLE = 2e-3
"""The least seconds of a sample; shorter calls are repeated within it."""
LEAST_BUFFER = 256 << 20
MOST_BUFFER = 2 << 30

_clock = perf_counter
Synchronize = Callable[[], None]


def calibrate(device: str, synchronize: Synchronize) -> Calibration:
    """Measure every ceiling and rate of a device, in 10 to 30 seconds.

    Args:
        device: `cpu`, `cuda:0`, ...
        synchronize: waits until all work queued on the device is done.
    """
    cache = last_level_cache(device)
    neighbours = Neighbours()
    ceilings: dict[str, list[float]] = {}
    rates: dict[str, list[CostModel]] = {}
    with torch.inference_mode():
        for _ in range(ROUNDS):
            for name in DTYPES:
                dtype = getattr(torch, name)
                try:
                    rate = gemm_ceiling(dtype, device, synchronize)
                    model = cost_model(dtype, device, synchronize)
                except (RuntimeError, TypeError):  # the device has no such product, such as float64 on mps
                    continue
                ceilings.setdefault(name, []).append(rate)
                rates.setdefault(name, []).append(model)
            ceilings.setdefault("copy", []).append(copy_ceiling(device, synchronize, cache))
    bandwidths = ceilings.pop("copy")
    usage = neighbours.usage()
    return Calibration(
        device=device,
        threads=torch.get_num_threads(),
        gemm={name: max(found) for name, found in ceilings.items()},
        bandwidth=max(bandwidths),
        cache_bytes=cache,
        cost_models={name: asdict(best_of(models)) for name, models in rates.items()},
        spread={
            **{f"gemm {name}": best_two_difference(found) for name, found in ceilings.items()},
            "copy": best_two_difference(bandwidths),
            **{
                f"planner {name}": best_two_difference([1 / model.call for model in models])
                for name, models in rates.items()
            },
        },
        others=usage.cores if usage else 0.0,
        measured_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def gemm_ceiling(dtype: torch.dtype, device: str, synchronize: Synchronize) -> float:
    """Return the FLOP/s of the fastest square matrix product.

    The size doubles while the rate increases and a product is short enough.
    """
    best = 0.0
    for size in GEMM_SIZES:
        a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        out = torch.empty_like(a)
        samples = _samples(lambda a=a, b=b, out=out: torch.mm(a, b, out=out), synchronize, GEMM_SECONDS)  # type: ignore[misc]
        took = quickest(samples)
        rate = 2 * size**3 / took
        best = max(best, rate)
        if rate < 0.9 * best or took * 8 > SLOWEST_PRODUCT:
            break
    return best


def copy_ceiling(device: str, synchronize: Synchronize, cache: int | None) -> float:
    """Return the B/s, read and written, of a copy between buffers of eight times the cache, 256 MiB to 2 GiB each."""
    size = min(max(LEAST_BUFFER, 8 * (cache or 0)), MOST_BUFFER)
    source = torch.zeros(size // 4, device=device).normal_()
    target = torch.zeros_like(source)
    return 2 * source.nbytes / quickest(_samples(lambda: target.copy_(source), synchronize, COPY_SECONDS))


def cost_model(
    dtype: torch.dtype, device: str, synchronize: Synchronize, clock: Callable[[], float] | None = None
) -> CostModel:
    """Measure the planner's rates on the operations of the transforms, at typical shapes.

    `call` is a fifth of the time of a tiny block transform, which consists of five operations. The products are those
    of a block transform of 4096 x 512 numbers (blocks of 128, about 26 terms each), and the FFT is that of `RfftDct`;
    `call` is subtracted from their times. `bandwidth` is that of a copy into new memory, which every stage makes, so it
    includes the allocator's page faults.

    A GPU takes 64 sequences at once: one is done before the next launch. A `clock` other than that of passing time may
    count the processor time of one thread, which other processes hardly change.
    """
    kind = torch.device(device).type
    many = 64 if kind == "cuda" else 1

    def draw(*shape: int, like: torch.dtype = dtype) -> Tensor:
        return torch.randn(*shape, device=device).to(like)

    def least(operation: Callable[[], object], calls: int | None = None) -> float:
        return quickest(_samples(operation, synchronize, RATE_SECONDS, calls, clock))

    smallest, rows = BlockSlotsDct(16, 8, block=8, dtype=dtype, device=device), draw(1, 16, 8)
    # On a GPU calls follow each other without a wait, as they do in a layer.
    call = least(lambda: smallest(rows, ordered=False), calls=None if kind == "cuda" else 1) / 5

    def rate(work: float, operation: Callable[[], object]) -> float:
        took = least(operation)
        return work / max(took - call, took / 2)

    alignment = default_cost_model(kind, dtype).alignment
    p = 32 if alignment > 1 else 26
    compress, blocks = draw(32 * many, p, 128), draw(32 * many, 128, 512)
    combine, compressed = draw(many, 512, 32 * p), draw(many, 32 * p, 512)
    columns = draw(many, 4096, 128, like=dtype if dtype.itemsize > 2 else torch.float32)  # like in the transform
    # 16 MiB in every dtype: glibc maps tensors of 32 MiB or more anew in each call, which float64 alone would reach.
    source = draw(4096 * many * 4 // dtype.itemsize, 1024)
    return CostModel(
        call=call,
        gemm=rate(2 * many * 512 * 32 * p * 512, lambda: torch.bmm(combine, compressed)),
        small_gemm=rate(2 * 32 * many * p * 128 * 512, lambda: torch.bmm(compress, blocks)),
        fft=rate(real_fft_flops(4096) * 128 * many, lambda: torch.fft.rfft(columns, dim=1)),
        bandwidth=rate(2 * source.nbytes, source.clone),
        alignment=alignment,
    )


def quickest(samples: Sequence[float]) -> float:
    """Return the second smallest sample."""
    return sorted(samples)[1]


def best_of(models: Sequence[CostModel]) -> CostModel:
    """Return the shortest call and the highest value of each rate."""
    return CostModel(
        **{
            rate.name: (min if rate.name == "call" else max)(getattr(model, rate.name) for model in models)
            for rate in fields(CostModel)
        }
    )


def best_two_difference(found: Sequence[float]) -> float:
    """Return the relative difference of the two best values."""
    best = sorted(found, reverse=True)[:2]
    return best[0] / best[-1] - 1


def last_level_cache(device: str) -> int | None:
    """Return the bytes of all last-level caches together, or None if they are not known."""
    kind = torch.device(device).type
    if kind == "cpu":
        return last_level_cache_bytes()
    if kind == "cuda":
        return int(torch.cuda.get_device_properties(device).L2_cache_size)
    return None


def _samples(
    operation: Callable[[], object],
    synchronize: Synchronize,
    seconds: float,
    calls: int | None = None,
    clock: Callable[[], float] | None = None,
) -> list[float]:
    """Return seconds per call after two warm-up calls, in three samples or more.

    A sample consists of `calls` calls, or of as many as take LEAST_SAMPLE seconds.
    """
    clock = clock or _clock
    operation()
    synchronize()
    start = clock()
    operation()
    synchronize()
    first = max(clock() - start, 1e-7)
    calls = calls or max(1, round(LEAST_SAMPLE / first + 0.5))
    samples: list[float] = []
    spent = 0.0
    while len(samples) < 3 or spent < seconds:
        start = clock()
        for _ in range(calls):
            operation()
        synchronize()
        took = clock() - start
        spent += took
        samples.append(took / calls)
    return samples
