"""What this machine can do at most: matrix products per dtype, a copy, and the rates that the transform planner uses.

A ceiling is the best of many samples, not their median: a neighbour's load makes a machine look slower than it is, and
nothing makes it look faster. The rates of the planner are medians, since they stand for what usually happens.
"""

from __future__ import annotations

import datetime
import statistics
from collections.abc import Callable
from dataclasses import asdict
from time import perf_counter

import torch
from torch import Tensor

from dctbench.calibration import Calibration
from dctbench.host import cache_sizes
from dctbench.transforms import BlockSlotsDct, CostModel, real_fft_flops

DTYPES = ("float32", "bfloat16", "float16", "float64")
GEMM_SIZES = (512, 1024, 2048, 4096, 8192)
GEMM_SECONDS = 1.0
"""Per dtype and size, at most."""
SLOWEST_PRODUCT = 0.25
"""Seconds: a size whose product takes longer is not tried, on a machine that has no fast product of that dtype."""
COPY_SECONDS = 1.0
RATE_SECONDS = 0.15
LEAST_SAMPLE = 2e-3
"""Seconds that one sample lasts; shorter calls are repeated within it."""
LEAST_BUFFER = 256 << 20
MOST_BUFFER = 2 << 30

_clock = perf_counter
Synchronize = Callable[[], None]


def calibrate(device: str, synchronize: Synchronize) -> Calibration:
    """Every ceiling and rate of a device, in 10 to 30 seconds.

    Args:
        device: `cpu`, `cuda:0`, ...
        synchronize: waits until everything queued on the device is done.
    """
    cache = last_level_cache(device)
    spread: dict[str, float] = {}
    gemm: dict[str, float] = {}
    cost_models: dict[str, dict[str, float]] = {}
    with torch.inference_mode():
        for name in DTYPES:
            dtype = getattr(torch, name)
            try:
                gemm[name], spread[f"gemm {name}"] = gemm_ceiling(dtype, device, synchronize)
                cost_models[name] = asdict(cost_model(dtype, device, synchronize))
            except RuntimeError:  # no such product on this device, as float64 on mps
                gemm.pop(name, None)
        bandwidth, spread["copy"] = copy_ceiling(device, synchronize, cache)
    return Calibration(
        device=device,
        threads=torch.get_num_threads(),
        gemm=gemm,
        bandwidth=bandwidth,
        cache_bytes=cache,
        cost_models=cost_models,
        spread=spread,
        measured_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def gemm_ceiling(
    dtype: torch.dtype, device: str, synchronize: Synchronize, seconds: float = GEMM_SECONDS
) -> tuple[float, float]:
    """FLOP/s of the fastest square product, and how far its three best samples lie apart (a share).

    Sizes double while each is faster than the last one, and while a product is short enough.
    """
    best, spread = 0.0, 0.0
    for size in GEMM_SIZES:
        a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        out = torch.empty_like(a)
        samples = _samples(lambda a=a, b=b, out=out: torch.mm(a, b, out=out), synchronize, seconds)  # type: ignore[misc]
        rate = 2 * size**3 / min(samples)
        if rate > best:
            best, spread = rate, _spread(samples)
        if rate < 0.9 * best or min(samples) * 8 > SLOWEST_PRODUCT:
            break
    return best, spread


def copy_ceiling(
    device: str, synchronize: Synchronize, cache: int | None, seconds: float = COPY_SECONDS
) -> tuple[float, float]:
    """B/s, read and written, of a copy between two buffers of at least eight times the cache; and its spread."""
    size = min(max(LEAST_BUFFER, 8 * (cache or 0)), MOST_BUFFER)
    source = torch.zeros(size // 4, device=device).normal_()
    target = torch.zeros_like(source)
    samples = _samples(lambda: target.copy_(source), synchronize, seconds)
    return 2 * source.nbytes / min(samples), _spread(samples)


def cost_model(dtype: torch.dtype, device: str, synchronize: Synchronize) -> CostModel:
    """The planner's rates, from the operations that the transforms are made of at shapes they have.

    `call` is a fifth of a tiny block transform, which is five operations. The products are those of a block transform
    of 4096 x 512 numbers (blocks of 128, about 26 terms each), the FFT is the one of `RfftDct`; their rates are what
    is left when `call` is taken off. `bandwidth` is that of a copy into new memory, as every stage needs it, so that
    the allocator's page faults are in it.
    """

    def draw(*shape: int, like: torch.dtype = dtype) -> Tensor:
        return torch.randn(*shape, device=device).to(like)

    def typical(operation: Callable[[], object]) -> float:
        return statistics.median(_samples(operation, synchronize, RATE_SECONDS))

    smallest, rows = BlockSlotsDct(16, 8, block=8, dtype=dtype, device=device), draw(1, 16, 8)
    call = typical(lambda: smallest(rows, ordered=False)) / 5

    def rate(work: float, operation: Callable[[], object]) -> float:
        took = typical(operation)
        return work / max(took - call, took / 10)

    compress, blocks = draw(32, 26, 128), draw(32, 128, 512)
    combine, compressed = draw(1, 512, 832), draw(1, 832, 512)
    columns = draw(1, 4096, 128, like=dtype if dtype.itemsize > 2 else torch.float32)  # as the transform converts
    source = draw(4096, 1024)
    return CostModel(
        call=call,
        gemm=rate(2 * 512 * 832 * 512, lambda: torch.bmm(combine, compressed)),
        small_gemm=rate(2 * 32 * 26 * 128 * 512, lambda: torch.bmm(compress, blocks)),
        fft=rate(real_fft_flops(4096) * 128, lambda: torch.fft.rfft(columns, dim=1)),
        bandwidth=rate(2 * source.nbytes, source.clone),
    )


def last_level_cache(device: str) -> int | None:
    """Bytes of the last cache before the memory, or None where that is not told."""
    kind = torch.device(device).type
    if kind == "cpu":
        return max(cache_sizes().values(), default=None)
    if kind == "cuda":
        return int(torch.cuda.get_device_properties(device).L2_cache_size)
    return None


def _samples(operation: Callable[[], object], synchronize: Synchronize, seconds: float) -> list[float]:
    """Seconds per call, after two calls to warm up; at least three samples."""
    operation()
    synchronize()
    start = _clock()
    operation()
    synchronize()
    first = max(_clock() - start, 1e-7)
    calls = max(1, round(LEAST_SAMPLE / first + 0.5))
    samples: list[float] = []
    spent = 0.0
    while len(samples) < 3 or spent < seconds:
        start = _clock()
        for _ in range(calls):
            operation()
        synchronize()
        took = _clock() - start
        spent += took
        samples.append(took / calls)
    return samples


def _spread(samples: list[float]) -> float:
    best = sorted(samples)[:3]
    return best[-1] / best[0] - 1
