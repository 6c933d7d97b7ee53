"""Compare dct-x and dct-qkv with the authors' order and with their own floor: `python -m benchmarks.dct_speed`.

    python -m benchmarks.dct_speed --method dct-x dct-qkv --threads 1 --json benchmarks/dct_speed.json

The floor of a layer is what its stages need at the rates of this machine: each takes at least its FLOPs at the rate of
a large product and its bytes at the rate of a copy. Both rates are measured in the same loop as the layer. With
`--threads 1` the processor time of that thread is measured, which other processes hardly change.

Calls of both sides alternate in one process, so that a slow moment of the machine affects both. `--both-allocators`
adds a second half of the table, in which glibc keeps freed memory. Large tensors then cause no page faults, which
favours the authors' order. This is not a test: timings depend on the machine.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dctbench.attention import AttentionLayer, build
from dctbench.attention.dct_layer import FrequencyAttention
from dctbench.machine import environment
from dctbench.model import kept_coefficients

RESULTS = Path(__file__).with_name("dct_speed.json")
KEEP_FREED_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**36)}
AGREEMENT = 2e-5
GOAL = 1.25
"""Of the geometric mean of time over floor."""
ROWS = ("rows", "rows_keeping_freed_memory")
"""The lists of rows of a machine; what stands beside them holds for each row."""
PRODUCT = 1024
"""Rows and columns of the product whose rate counts."""


def authors_basis(seq_len: int, n_kept: int) -> Tensor:
    """The first rows of the orthonormal DCT-II, (n_kept, seq_len) float32, from its definition."""
    k, j = torch.arange(n_kept)[:, None], torch.arange(seq_len)
    angle = (k * (2 * j + 1)).remainder(4 * seq_len).double() * (math.pi / (2 * seq_len))
    basis = angle.cos() * math.sqrt(2 / seq_len)
    basis[0] /= math.sqrt(2)
    return basis.float()


def naive_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention with its matrix held; q, k, v (batch, heads, rows, head_dim)."""
    return torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), dim=-1) @ v


def authors_dct_x(layer: AttentionLayer, basis: Tensor, x: Tensor) -> Tensor:
    """Compress, project, attend, expand, then project at full length."""
    z = basis @ x
    q, k, v = (layer.split_heads(projection(z)) for projection in (layer.q_proj, layer.k_proj, layer.v_proj))
    y = basis.t() @ layer.join_heads(naive_attention(q, k, v))
    out: Tensor = layer.out_proj(y)
    return out


def authors_dct_qkv(layer: AttentionLayer, basis: Tensor, x: Tensor) -> Tensor:
    """Project at full length, compress each head, attend, and expand as (D^T A) V."""
    scale = layer.head_dim**-0.25
    q, k, v = (layer.split_heads(projection(x)) for projection in (layer.q_proj, layer.k_proj, layer.v_proj))
    q, k, v = basis @ (q * scale), basis @ (k * scale), basis @ v
    a = torch.softmax(q @ k.transpose(-1, -2), dim=-1)
    out: Tensor = layer.out_proj(layer.join_heads((basis.t() @ a) @ v))
    return out


AUTHORS = {"dct-x": authors_dct_x, "dct-qkv": authors_dct_qkv}


def interleaved(calls: Sequence[Callable[[], object]], seconds: float, threads: int) -> list[float]:
    """Median seconds of each call. All run in turn until `seconds` have passed and each has run five times.

    Each turn has an order of its own, so that none always finds the cache as the same other one leaves it. With one
    thread its processor time is measured, else the time that passes.
    """
    clock = time.thread_time if threads == 1 else time.perf_counter
    samples: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
        call()
    order = list(range(len(calls)))
    orders = random.Random(0)
    started = clock()
    while clock() - started < seconds or len(samples[0]) < 5:
        orders.shuffle(order)
        for number in order:
            begin = clock()
            calls[number]()
            samples[number].append(clock() - begin)
    return [statistics.median(taken) for taken in samples]


def busy_seconds() -> float:
    """CPU seconds that all processes of this machine have used since it started (Linux; elsewhere 0)."""
    try:
        user, nice, system, _, _, irq, soft, *_ = Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    except OSError:
        return 0.0
    return sum(map(int, (user, nice, system, irq, soft))) / os.sysconf("SC_CLK_TCK")


def undisturbed(call: Callable[[], list[float]], tries: int) -> tuple[float, list[float]]:
    """Return the share of the machine that other processes used during a call, and the call's result.

    The call is repeated up to `tries` times until that share is under 3%; otherwise the least disturbed call counts.
    """
    attempts: list[tuple[float, list[float]]] = []
    while len(attempts) < tries and not (attempts and attempts[-1][0] < 0.03):
        started, busy, own = time.perf_counter(), busy_seconds(), time.process_time()
        result = call()
        others = busy_seconds() - busy - (time.process_time() - own)
        attempts.append((max(0.0, others) / (time.perf_counter() - started) / (os.cpu_count() or 1), result))
    return min(attempts)


def stages(layer: FrequencyAttention, batch: int) -> list[tuple[float, float]]:
    """FLOPs and numbers read and written of each stage of one forward call, with nothing read or written twice."""
    n, m, d = layer.seq_len, layer.n_kept, layer.dim
    transform = layer.transform.flops(batch * d), batch * (n + m) * d
    projections = 6 * batch * m * d**2, 4 * batch * m * d + 3 * d**2
    attention = 4 * batch * m**2 * d, 4 * batch * m * d
    output = 2 * batch * m * d**2, 2 * batch * m * d + d**2
    return [transform, projections, attention, output, transform]


def floor_seconds(layer: FrequencyAttention, batch: int, gemm: float, copy: float) -> float:
    """The least seconds of a forward call in float32, given FLOP/s of a product and B/s of a copy, read and written."""
    return sum(max(flops / gemm, 4 * numbers / copy) for flops, numbers in stages(layer, batch))


def measure(method: str, seq_len: int, ratio: float, options: argparse.Namespace) -> dict[str, Any]:
    """One row: our layer, its floor, the authors' order with the same weights, and the sdpa layer, in milliseconds."""
    torch.manual_seed(0)
    sizes = {"seq_len": seq_len, "dim": options.dim, "heads": options.heads}
    ours, exact = build(method, **sizes, ratio=ratio, transform=options.transform), build("sdpa", **sizes)
    assert isinstance(ours, FrequencyAttention)
    x = torch.randn(options.batch, seq_len, options.dim)
    basis = authors_basis(seq_len, kept_coefficients(seq_len, ratio))
    difference = (ours(x) - AUTHORS[method](ours, basis, x)).abs().max().item()
    square, product = torch.randn(PRODUCT, PRODUCT), torch.empty(PRODUCT, PRODUCT)
    copied = torch.empty_like(x)
    calls: list[Callable[[], object]] = [
        lambda: ours(x),
        lambda: AUTHORS[method](ours, basis, x),
        lambda: torch.mm(square, square, out=product),
        lambda: copied.copy_(x),
    ]
    if options.sdpa:
        calls.append(lambda: exact(x))
    others, (fast, authors, one_product, one_copy, *rest) = undisturbed(
        lambda: interleaved(calls, options.seconds, options.threads), options.tries
    )
    row = {"method": method, "seq_len": seq_len, "ratio": ratio, "plan": ours.plan, "difference": difference}
    row |= {"others": others}
    gemm, copy = 2 * PRODUCT**3 / one_product, 2 * x.nbytes / one_copy
    floor = floor_seconds(ours, options.batch, gemm, copy)
    row |= {"gemm_flops": gemm, "copy_bytes": copy, "floor_ms": floor * 1e3, "over_floor": fast / floor}
    row |= {"ours_ms": fast * 1e3, "authors_ms": authors * 1e3, "speed_up": authors / fast}
    if rest:
        row |= {"sdpa_ms": rest[0] * 1e3, "speed_up_over_sdpa": rest[0] / fast}
    return row


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure and print all rows in this process."""
    torch.set_num_threads(options.threads)
    rows = []
    with torch.inference_mode():
        for method, seq_len, ratio in itertools.product(options.method, options.seq, options.ratio):
            row = measure(method, seq_len, ratio, options)
            rows.append(row)
            sdpa = f"  sdpa {row['sdpa_ms']:8.2f} ({row['speed_up_over_sdpa']:6.2f}x)" if options.sdpa else ""
            print(
                f"{row['method']} {seq_len:6d} r{ratio:<4g} {row['plan']:16s} ours {row['ours_ms']:8.2f} ms"
                f"  floor {row['floor_ms']:8.2f} ({row['over_floor']:5.2f}x)"
                f"  authors {row['authors_ms']:8.2f}  {row['speed_up']:6.2f}x{sdpa}"
                f"  max |difference| {row['difference']:.1e}"
                + ("" if row["difference"] <= AGREEMENT else " (too much)")
                + ("" if row["others"] < 0.03 else f"  disturbed: others used {row['others']:.0%} of the machine"),
                flush=True,
            )
    for method in options.method:
        print(summary(method, rows), flush=True)
    return rows


def summary(method: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The geometric means of a method, and its least gain."""
    speed_ups = [row["speed_up"] for row in rows if row["method"] == method]
    over_floor = statistics.geometric_mean(row["over_floor"] for row in rows if row["method"] == method)
    return (
        f"{method}: time over floor, geometric mean {over_floor:.2f} (goal {GOAL}); faster than the authors' order, "
        f"geometric mean {statistics.geometric_mean(speed_ups):.2f}x, least {min(speed_ups):.2f}x"
    )


def with_machine(
    found: Mapping[str, Any], measured: Mapping[str, Any], key: Sequence[str] = ("method", "seq_len", "ratio")
) -> dict[str, Any]:
    """A result file with the rows that one machine measured.

    A row takes the place of an earlier one of the same key, by default its method, length and ratio, from the same
    machine with the same settings. All other rows stay.
    """
    same = [one for one in found["machines"] if _settings(one) == _settings(measured)]
    merged = _settings(measured)
    for name in ROWS:
        rows = [row for one in (*same, measured) for row in one.get(name, ())]
        if rows:
            merged[name] = list({tuple(row.get(one) for one in key): row for row in rows}.values())
    return {**found, "machines": [*(one for one in found["machines"] if one not in same), merged]}


def _settings(one: Mapping[str, Any]) -> dict[str, Any]:
    """What the rows of a machine have in common: all but the rows."""
    return {name: value for name, value in one.items() if name not in ROWS}


def table(found: Mapping[str, Any]) -> list[str]:
    """The rows of each machine as Markdown tables."""
    lines: list[str] = []
    for one in found["machines"]:
        methods = list(dict.fromkeys(row["method"] for row in one["rows"]))
        lines += ["| n | ratio | plan |" + "".join(f" `{name}` | over floor | authors' order |" for name in methods),
                  "|--:|--:|---|" + "--:|--:|--:|" * len(methods)]  # fmt: skip
        for shape in dict.fromkeys((row["seq_len"], row["ratio"], row["plan"]) for row in one["rows"]):
            of_shape = {row["method"]: f" {row['ours_ms']:.2f} ms | {row['over_floor']:.2f} | {row['speed_up']:.2f}x |"
                        for row in one["rows"] if (row["seq_len"], row["ratio"], row["plan"]) == shape}  # fmt: skip
            cells = (of_shape.get(name, " - | - | - |") for name in methods)
            lines.append(f"| {shape[0]} | {shape[1]:g} | `{shape[2]}` |" + "".join(cells))
        machine, others = one["machine"], [row["others"] for row in one["rows"]]
        measured = "processor time of one thread" if one["threads"] == 1 else f"{one['threads']} threads"
        lines += ["", *(f"{summary(name, one['rows'])}." for name in methods),
                  f"Forward, float32, d = {one['dim']}, {one['heads']} heads, batch {one['batch']}, "
                  f"transform {one['transform']}, {measured} ({machine['cpu']}, {machine['cpu_id']}, "
                  f"torch {machine['torch']}).",
                  f"Other processes used {min(others):.0%} to {max(others):.0%} of the machine meanwhile.",
                  ""]  # fmt: skip
    return lines[:-1]


def run_again_keeping_freed_memory(arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Measure the same in a child process whose allocator keeps freed memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        command = [sys.executable, "-m", "benchmarks.dct_speed", *arguments, "--json", str(path)]
        subprocess.run(command, env=os.environ | KEEP_FREED_MEMORY, check=True)
        [measured] = json.loads(path.read_text(encoding="utf-8"))["machines"]
        rows: list[dict[str, Any]] = measured["rows"]
        return rows


def main(arguments: Sequence[str]) -> None:
    """Measure, print, and write the JSON file if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dct_speed", description=__doc__)
    parser.add_argument("--method", choices=sorted(AUTHORS), nargs="+", default=["dct-x"])
    parser.add_argument("--seq", type=int, nargs="+", default=[1024, 2048, 4096, 8192])
    parser.add_argument("--ratio", type=float, nargs="+", default=[4, 8, 16, 32])
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--transform", default="auto", help="as dctbench.transforms.plan_dct takes it")
    parser.add_argument("--seconds", type=float, default=1.0, help="per row, at least")
    parser.add_argument("--tries", type=int, default=5, help="attempts at a row while other processes are busy")
    parser.add_argument("--sdpa", action="store_true", help="also time the sdpa layer")
    parser.add_argument("--both-allocators", action="store_true", help="run again with glibc's thresholds raised")
    parser.add_argument("--json", type=Path, help="write the rows of this machine into this result file")
    options = parser.parse_args(arguments)
    rows = run(options)
    facts = environment.collect().facts
    document: dict[str, Any] = {
        "machine": {name: facts[name] for name in ("cpu", "cpu_id", "cores_usable", "torch")},
        **{name: getattr(options, name) for name in ("dim", "heads", "batch", "threads", "transform")},
        "rows": rows,
    }
    if options.both_allocators:
        print("\nwith " + " ".join(f"{key}={value}" for key, value in KEEP_FREED_MEMORY.items()))
        kept = run_again_keeping_freed_memory([word for word in arguments if word != "--both-allocators"])
        document[ROWS[1]] = kept
        print(f"\n{'':24s}{'as it starts':>14s}{'kept':>10s}")
        for row, other in zip(rows, kept, strict=True):
            name = f"{row['method']:8s}{row['seq_len']:6d} r{row['ratio']:g}"
            print(f"{name:24s}{row['speed_up']:13.2f}x{other['speed_up']:9.2f}x")
    if options.json:
        path: Path = options.json
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"machines": []}
        path.write_text(json.dumps(with_machine(found, document), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
