"""Does the mode max-autotune help `--engine compile` on a CPU? `python -m benchmarks.max_autotune`, some minutes.

Each layer runs as it is, compiled as dctbench compiles it, and compiled with max-autotune added, where torch times
several ways to do each product and keeps the fastest. Calls alternate in one process, with equal weights. With one
thread, the default, the processor time of that thread is measured. torch's caches are empty when the run begins, so
that no choice of an earlier run counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.dct_speed import interleaved
from benchmarks.rivals import layer_of
from dctbench.machine import environment
from dctbench.model import Case
from dctbench.text.format import pluralize
from dctbench.worker.workload import compiler_options

RESULTS = Path(__file__).with_name("max_autotune.json")
METHODS = ("sdpa", "dct-x", "linear")
LENGTHS = (512, 2048)
HELPS = 0.95
"""The geometric mean of tuned over plain time below which the mode would be worth its longer compilation."""


def options_of(tuned: bool, threads: int) -> dict[str, Any]:
    """The compiler's options for so many threads: dctbench's own, with those of max-autotune if asked."""
    own = compiler_options(Case("sdpa", 512, engine="compile", threads=threads))
    return {**own, **torch._inductor.list_mode_options("max-autotune-no-cudagraphs")} if tuned else {**own}


def measure(method: str, seq_len: int, options: argparse.Namespace) -> dict[str, Any]:
    """One row: the milliseconds of a call as it is, compiled, and compiled with max-autotune."""
    layer = layer_of(method, seq_len, options.dim, options.heads)
    x = torch.randn(1, seq_len, options.dim)
    calls: list[Callable[[], object]] = [lambda: layer(x)]
    for tuned in (False, True):
        wanted = options_of(tuned, options.threads)
        compiled = torch.compile(layer, options=wanted)
        assert isinstance(compiled, nn.Module)
        # Weights become constants only if torch's own setting says so while the first call is traced.
        with torch._inductor.config.patch(wanted):
            difference = (compiled(x) - layer(x)).abs().max().item()
        if not difference <= 1e-4:
            raise SystemExit(f"{method}: compiled, the output differs by {difference:.1e}")
        calls.append(lambda compiled=compiled: compiled(x))  # type: ignore[misc]
    eager, plain, tuned_ = (round(one * 1e3, 4) for one in interleaved(calls, options.seconds, options.threads))
    return {"method": method, "seq_len": seq_len, "eager_ms": eager, "compile_ms": plain, "max_autotune_ms": tuned_}


def gain(found: Mapping[str, Any]) -> float:
    """The geometric mean of the time of a call with max-autotune over that without."""
    return statistics.geometric_mean(row["max_autotune_ms"] / row["compile_ms"] for row in found["rows"])


def table(found: Mapping[str, Any]) -> list[str]:
    """The rows as a Markdown table."""
    lines = [
        "| method | n | eager | `compile` | with max-autotune | ratio |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for row in found["rows"]:
        lines.append(
            f"| `{row['method']}` | {row['seq_len']} | {row['eager_ms']:.2f} ms | {row['compile_ms']:.2f} ms "
            f"| {row['max_autotune_ms']:.2f} ms | {row['max_autotune_ms'] / row['compile_ms']:.2f} |"
        )
    machine = found["machine"]
    faster = sum(row["max_autotune_ms"] < row["compile_ms"] for row in found["rows"])
    methods, lengths = ({row[name] for row in found["rows"]} for name in ("method", "seq_len"))
    measured = "processor time of one thread" if found["threads"] == 1 else f"{found['threads']} threads"
    return [
        *lines,
        "",
        f"{faster} of {len(found['rows'])} rows are faster with max-autotune; geometric mean of the ratio: "
        f"{gain(found):.2f}. This rests on {pluralize(len(methods), 'method')}, {pluralize(len(lengths), 'length')}, "
        f"1 CPU and {pluralize(found['threads'], 'thread')}.",
        f"Forward, float32, d = {found['dim']}, {found['heads']} heads, batch 1, {measured} "
        f"({machine['cpu']}, {machine['cpu_id']}, torch {machine['torch']}).",
    ]


def main(arguments: Sequence[str]) -> None:
    """Measure, print the table, and write the result file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.max_autotune", description=__doc__)
    parser.add_argument("--method", nargs="+", default=list(METHODS))
    parser.add_argument("--seq", type=int, nargs="+", default=list(LENGTHS))
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0, help="per row, at least")
    parser.add_argument("--json", type=Path, default=RESULTS, help="write the rows here")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    rows = []
    with tempfile.TemporaryDirectory() as empty, torch.inference_mode():
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = empty
        for method in options.method:
            for seq_len in options.seq:
                torch._dynamo.reset()
                rows.append(measure(method, seq_len, options))
                print(rows[-1], flush=True)
    facts = environment.collect().facts
    document = {
        "machine": {name: facts[name] for name in ("cpu", "cpu_id", "cores_usable", "torch")},
        **{name: getattr(options, name) for name in ("dim", "heads", "threads")},
        "rows": rows,
    }
    options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print("\n".join(table(document)))


if __name__ == "__main__":
    main(sys.argv[1:])
