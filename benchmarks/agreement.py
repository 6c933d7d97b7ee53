"""Compare dctbench's sampling with torch.utils.benchmark: `python -m benchmarks.agreement`.

Both time the same layer with the same weights in one process, in short turns, so that a slow moment of the machine
affects both. dctbench rotates its inputs and times each call or a short loop. torch repeats one call on one input.
The program prints both medians, the median over turns of their ratio, and the quartiles of the ratio. If the quartiles
are more than 5% apart, the machine was too busy to decide. This is not a test: timings depend on the machine.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

import torch
from torch.utils.benchmark import Timer as TorchTimer

from dctbench import catalog
from dctbench.machine.contention import Neighbours
from dctbench.model import Case
from dctbench.stats.robust import quantile
from dctbench.worker.devices import cpu
from dctbench.worker.metrics import latency
from dctbench.worker.workload import make_module, make_workload

AGREEMENT = 0.05


def turns(case: Case, seconds: float, count: int) -> list[tuple[float, float]]:
    """Median seconds per call by dctbench and by torch: `count` turns of `seconds` for each."""
    workload = make_workload(case, make_module(case))
    timer = latency.Timer(workload.prepare, workload.call, cpu.stopwatch("cpu", "warm"))
    prepared = workload.prepare(0)
    theirs = TorchTimer("call(prepared)", globals={"call": workload.call, "prepared": prepared},
                        num_threads=torch.get_num_threads())  # fmt: skip
    sampling = latency.Sampling(
        warmup_least=0.1, warmup_most=0.2, samples_least=5, precision=0.0, settled=-1.0, budget=seconds
    )
    found = []
    for turn in range(count):
        pair = {}
        for side in ("ours", "theirs") if turn % 2 else ("theirs", "ours"):
            if side == "ours":
                pair[side] = statistics.median(latency.measure(timer, sampling).seconds)
            else:
                pair[side] = theirs.blocked_autorange(min_run_time=seconds).median
        found.append((pair["ours"], pair["theirs"]))
    return found


def case_of(name: str, seq_len: int, ratio: float) -> Case:
    """The case of a method: at the ratio if it takes one, or with the number kept that its paper names."""
    method = catalog.implementation(name)
    if method.default_kept is not None:
        return Case(name, seq_len, kept=method.default_kept)
    return Case(name, seq_len, ratio if method.uses_ratio else None)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every case and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreement", description=__doc__)
    parser.add_argument("--impl", nargs="+", default=["sdpa", "full", "dct-x"])
    parser.add_argument("--seq", nargs="+", type=int, default=[2048, 4096])
    parser.add_argument("--ratio", type=float, default=8)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=0.5, help="of each side's turn")
    parser.add_argument("--turns", type=int, default=10)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} thread(s), {options.turns} turns of {options.seconds:g} s")
    with torch.inference_mode():
        for name in options.impl:
            for seq_len in options.seq:
                case = case_of(name, seq_len, options.ratio)
                neighbours = Neighbours()
                found = turns(case, options.seconds, options.turns)
                usage = neighbours.usage()
                ratios = [ours / theirs for ours, theirs in found]
                ours, theirs = (statistics.median(side) * 1e3 for side in zip(*found, strict=True))
                low, high = quantile(ratios, 0.25), quantile(ratios, 0.75)
                middle = statistics.median(ratios)
                verdict = "agree" if abs(middle - 1) <= AGREEMENT else "differ"
                others = "" if usage is None else f"  others used {usage.cores:.2f} cores, stolen {usage.stolen:.0%}"
                print(
                    f"{case.name:12s} n = {seq_len:5d}  ours {ours:8.2f} ms  torch {theirs:8.2f} ms  "
                    f"ratio {middle:.3f} (quartiles {low:.3f}-{high:.3f})  {verdict}{others}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
