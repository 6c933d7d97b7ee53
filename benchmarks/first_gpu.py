"""The first minutes on a new kind of GPU: what it is, each way of timing beside the others, and the suite gpu-quick.

    python -m benchmarks.first_gpu --check           # what is missing here, in a sentence
    python -m benchmarks.first_gpu --out build/gpu   # at most five minutes, and three more for the suite

The folder then holds `first_gpu.json`, written anew after each step so that nothing is lost when time runs out;
`nvml.json`, every answer of NVML, which tests can replay; and `results.sqlite` and `results.json` of the suite:

    dctbench report --store build/gpu/results.sqlite
    dctbench import build/gpu/results.json

The predictions were written before any GPU was seen. Each says why, and the file says whether it held.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

NEEDED = ("torch", "numpy", "click", "rich", "psutil", "msgspec", "sqlalchemy")
"""What measuring imports. pandas, plotly and Jinja2 are needed by reports only, which may be made elsewhere."""
SECONDS = 280.0
SHAPES = "1x1024,1x8192,16x1024,16x8192,4x32768"
DEVICE = "cuda:0"
METHODS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "sdpa-flash": ("sdpa-flash", {}),
    "sdpa-cudnn": ("sdpa-cudnn", {}),
    "dct-x basis": ("dct-x", {"ratio": 8, "transform": "basis"}),
    "dct-x block:128:gemm": ("dct-x", {"ratio": 8, "transform": "block:128:gemm"}),
    "dct-x block:128:slots": ("dct-x", {"ratio": 8, "transform": "block:128:slots"}),
    "dct-x triton": ("dct-x", {"ratio": 8, "transform": "triton"}),
}
TRANSFORMS = ("basis", "rfft", "block:128:gemm", "block:128:slots", "triton", "triton:64", "triton:192")
"""Measured alone, in bfloat16. Until the fused kernel is seen to be fast here, `auto` does not choose it."""
RATIO = 8
LONGEST_BASIS = 16_384
CACHES: tuple[Literal["cold", "warm"], ...] = ("cold", "warm")

Found = dict[str, Any]


def missing() -> str | None:
    """Return why this interpreter cannot measure on a GPU, with the remedy; None if it can."""
    absent = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if absent:
        names = " ".join(absent)
        return (
            f"this interpreter lacks {', '.join(absent)}; where there is a network: pip download --no-deps -d wheels "
            f"{names}; here: pip install --no-deps --no-index --find-links wheels --target site {names}, "
            "and PYTHONPATH=site"
        )
    from dctbench.worker.devices import cuda

    return cuda.unavailable(DEVICE)


class Recorder:
    """NVML's library, whose every answer is kept by function and arguments."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self.answers: list[Found] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._library, name)
        if not name.startswith("nvml") or not callable(found):
            return found

        def ask(*arguments: Any) -> Any:
            named = arguments if "HandleBy" in name else arguments[1:]  # the first is a handle, which is a pointer
            asked: Found = {"function": name, "arguments": list(named)}
            try:
                answer = found(*arguments)
            except self._library.NVMLError as error:
                self.answers.append({**asked, "error": str(error)})
                raise
            self.answers.append({**asked, "answer": _plain(answer)})
            return answer

        return ask


def _plain(answer: Any) -> Any:
    """Return an answer as JSON: structures as objects, handles as nothing."""
    if isinstance(answer, bytes):
        return answer.decode()
    if isinstance(answer, list):
        return [_plain(one) for one in answer]
    if isinstance(answer, str | int | float | None):
        return answer
    names = [field[0] for field in getattr(answer, "_fields_", ())] or list(getattr(answer, "__dict__", {}))
    return {name: _plain(getattr(answer, name)) for name in names} or None


def facts(out: Path) -> Found:
    """What torch and NVML say of the device, how long a reading takes, and how often the energy counter changes."""
    import torch

    from dctbench.machine import environment, nvml
    from dctbench.worker.devices import cuda
    from dctbench.worker.torch_info import torch_facts

    found: Found = {"torch": torch_facts(), "environment": environment.collect().facts, "pid": os.getpid()}
    found["describe"] = cuda.describe(DEVICE).to_json()
    found["l2_bytes"] = getattr(torch.cuda.get_device_properties(0), "L2_cache_size", None)
    recorder = Recorder(nvml.load_library())
    uuid = str(torch.cuda.get_device_properties(0).uuid)
    recorder.nvmlDeviceGetCount()
    gauge = nvml.Gauge(recorder, nvml.handle_of(recorder, uuid))
    try:
        gauge.facts(), gauge.reading(), gauge.violations(), gauge.processes(), gauge.joules()
    finally:
        (out / "nvml.json").write_text(json.dumps(recorder.answers, indent=1), encoding="utf-8")
    quiet = cuda.gauge(DEVICE)
    found["clock_query_seconds"] = _median(lambda: _clocked(quiet.clock_mhz), 30)
    joules, changes = quiet.joules(), []
    until = perf_counter() + 0.6
    while joules is not None and perf_counter() < until:
        now = quiet.joules()
        if now != joules:
            changes.append(perf_counter())
            joules = now
    found["energy_tick_seconds"] = [b - a for a, b in pairwise(changes)]
    return found


def ceilings(calls: int, size: int) -> Found:
    """A copy and a bf16 product, as the GPU runs them without the host."""
    import torch

    source = torch.randn(size**2 * 8, device=DEVICE)
    target = torch.empty_like(source)
    a, b = (torch.randn(size, size, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))
    return {
        "copy_bytes_per_second": 2 * source.nbytes / _queued(lambda: target.copy_(source), calls, "warm"),
        "bf16_flops": 2 * size**3 / _queued(lambda: a @ b, calls, "warm"),
        "product_size": size,
    }


def padding(calls: int, blocks: int) -> Found:
    """The compression of blocks of 128 with tables of 23 columns, and zero-padded to 24 and 32."""
    import torch

    x = torch.randn(blocks, 128, 512, device=DEVICE, dtype=torch.bfloat16)
    found: Found = {"blocks": blocks}
    for columns in (23, 24, 32):
        table = torch.randn(128, columns, device=DEVICE, dtype=torch.bfloat16).t().expand(blocks, -1, -1)
        found[str(columns)] = _queued(lambda table=table: torch.bmm(table, x), calls, "cold")  # type: ignore[misc]
    return found


def projections(calls: int, size: int) -> Found:
    """Queries, keys and values by three products of width 512, and by one of width 1536, of few rows and of many.

    A layer has three, since its weights have names of their own. On a CPU both take the same time.
    """
    import torch
    from torch.nn.functional import linear

    from dctbench.worker.devices import cuda

    found: Found = {}
    stopwatch = cuda.stopwatch(DEVICE, "warm")
    for rows in (size // 64, size // 8, 2 * size):
        x, fused, bias = (
            torch.randn(*shape, device=DEVICE).bfloat16() for shape in ((rows, 512), (1536, 512), (1536,))
        )
        apart = list(zip(fused.chunk(3), bias.chunk(3), strict=True))
        ways: Mapping[str, Callable[[], object]] = {
            "three": lambda x=x, apart=apart: [linear(x, *one) for one in apart],  # type: ignore[misc]
            "one": lambda x=x, fused=fused, bias=bias: linear(x, fused, bias),  # type: ignore[misc]
        }
        found[str(rows)] = {
            name: {"queued": _queued(call, calls, "warm"), "span": _median(lambda call=call: stopwatch(call), calls)}  # type: ignore[misc]
            for name, call in ways.items()
        }
    return found


def flushing(calls: int, size: int) -> Found:
    """A small copy after nothing, after reading a buffer of twice the L2 cache, and after writing one."""
    import torch

    from dctbench.worker.devices import cuda

    x = torch.randn(size, device=DEVICE)
    y, buffer = torch.empty_like(x), torch.zeros(cuda.swept_bytes(DEVICE) // 4, dtype=torch.int32, device=DEVICE)
    copy = lambda prepared=None: y.copy_(x)  # noqa: E731
    written = cuda.queued_seconds(DEVICE, lambda number: buffer.zero_(), copy, "warm", calls)
    return {
        "warm": _queued(copy, calls, "warm"),
        "read": _queued(copy, calls, "cold"),
        "written": statistics.median(written),
    }


def transforms(shapes: Sequence[tuple[int, int]], calls: int, enough: Callable[[], bool]) -> Iterator[Found]:
    """Each transform in both directions without the host, its relative error, and what it took until the first call."""
    import torch

    from dctbench.errors import UnavailableError, UnsupportedError
    from dctbench.model import kept_coefficients
    from dctbench.transforms import RfftDct

    for batch, seq_len in shapes:
        n_kept = kept_coefficients(seq_len, RATIO)
        x, z = (torch.randn(batch, rows, 512, device=DEVICE).bfloat16() for rows in (seq_len, n_kept))
        exact = RfftDct(seq_len, n_kept, dtype=torch.float64, device="cpu")
        expected = exact(_some(x)), exact.inverse(_some(z))
        for name in TRANSFORMS:
            if enough():
                return
            if name == "basis" and seq_len > LONGEST_BASIS:
                continue
            row: Found = {"transform": name, "batch": batch, "seq_len": seq_len, "n_kept": n_kept}
            try:
                torch.cuda.empty_cache()  # after an illegal access, this raises what the call before did
                with torch.inference_mode():
                    row |= _transform_times(name, x, z, expected, calls)
            except (UnavailableError, UnsupportedError) as reason:
                row["absent"] = reason.message
            except Exception as error:  # one transform must not end the others
                row["failed"] = f"{type(error).__name__}: {str(error)[:300]}"
            yield row


def _some(x: Any) -> Any:
    """A few columns of the first sequence, in float64 on the host."""
    return x[:1, :, :8].cpu().double()


def _transform_times(name: str, x: Any, z: Any, expected: Sequence[Any], calls: int) -> Found:
    from dctbench.transforms import default_cost_model, make_dct

    start = perf_counter()
    options = {"transform": name, "batch": x.shape[0], "cost_model": default_cost_model("cuda", x.dtype)}
    made = make_dct(x.shape[1], z.shape[1], x.shape[2], dtype=x.dtype, device=DEVICE, **options)
    got = _some(made(x)), _some(made.inverse(z))
    found: Found = {"plan": made.plan, "ready": perf_counter() - start}
    found["error"] = [float((one - right).norm() / right.norm()) for one, right in zip(got, expected, strict=True)]
    for state in CACHES:
        found[f"forward_{state}"] = _queued(lambda: made(x), calls, state)
        found[f"inverse_{state}"] = _queued(lambda: made.inverse(z), calls, state)
    return found


def layers(shapes: Sequence[tuple[int, int]], calls: int, enough: Callable[[], bool]) -> Iterator[Found]:
    """Every way of timing each method at each shape, with the names of its kernels."""
    import torch

    for batch, seq_len in shapes:
        for name, (method, options) in METHODS.items():
            if enough():
                return
            row: Found = {"method": name, "batch": batch, "seq_len": seq_len}
            if options.get("transform") == "basis" and seq_len > LONGEST_BASIS:
                continue
            try:
                torch.cuda.empty_cache()
                with torch.inference_mode():
                    row |= _times(method, options, batch, seq_len, calls)
            except Exception as error:  # one method must not end the others
                row["error"] = f"{type(error).__name__}: {str(error)[:300]}"
            yield row


def _times(method: str, options: Mapping[str, Any], batch: int, seq_len: int, calls: int) -> Found:
    import torch

    from dctbench.attention import build
    from dctbench.errors import UnavailableError, UnsupportedError
    from dctbench.transforms import default_cost_model
    from dctbench.worker.devices import cuda, cuda_timing
    from dctbench.worker.workload import Graphed

    dtype = torch.bfloat16
    options = {**options, "cost_model": default_cost_model("cuda", dtype)} if "transform" in options else options
    layer = build(method, seq_len=seq_len, dim=512, heads=8, dtype=dtype, device=DEVICE, **options).eval()
    x = torch.randn(batch, seq_len, 512, device=DEVICE, dtype=dtype)
    graphed = Graphed(layer)

    def call() -> object:
        return layer(x)

    for _ in range(3):
        call()
    found: Found = {}
    for state in CACHES:
        stopwatch = cuda.stopwatch(DEVICE, state)
        found[f"span_{state}"] = _median(lambda timed=stopwatch: timed(call), calls)  # type: ignore[misc]
        found[f"queued_{state}"] = _queued(call, calls, state)
    found["host"] = _median(lambda: _launched(call), calls)
    try:
        found["kernels"] = cuda_timing.kernels(DEVICE, call, "cold")
    except UnavailableError as reason:
        found["kernels_absent"] = reason.message
    try:
        found["graph_cold"] = _queued(lambda: graphed(x), calls, "cold")
    except UnsupportedError as reason:
        found["graph_absent"] = reason.message
    return found


def _queued(call: Callable[[], object], calls: int, cache: Literal["warm", "cold"]) -> float:
    from dctbench.worker.devices import cuda

    return statistics.median(cuda.queued_seconds(DEVICE, lambda number: None, lambda prepared: call(), cache, calls))


def _median(sample: Callable[[], float], times: int) -> float:
    return statistics.median(sample() for _ in range(times))


def _clocked(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def _launched(call: Callable[[], object]) -> float:
    """Seconds in which the host launches a call, without waiting for it."""
    from dctbench.worker.devices import cuda

    cuda.synchronize(DEVICE)
    return _clocked(call)


def predictions(found: Mapping[str, Any]) -> list[Found]:
    """What was expected before a GPU was seen, why, and whether it held; None where the figures are missing."""
    rows = {(row["method"], row["batch"], row["seq_len"]): row for row in found.get("layers", ()) if "error" not in row}
    small = min(
        (key for key in rows if key[0] == "dct-x block:128:gemm"), key=lambda key: key[1] * key[2], default=None
    )
    large = max((key for key in rows if key[0] == "dct-x block:128:gemm"), key=lambda key: key[2], default=None)
    exact = None if large is None else rows.get(("sdpa-flash", *large[1:]))
    tried = [row for row in found.get("transforms", ()) if "absent" not in row]
    alone = {(row["transform"], row["batch"], row["seq_len"]): row for row in tried if "failed" not in row}
    shapes = [key[1:] for key in alone]
    smallest = min(shapes, key=lambda shape: shape[0] * shape[1], default=())
    longest = max(shapes, key=lambda shape: shape[1], default=())
    fused = [row for row in tried if row["transform"].startswith("triton")]

    def held(test: Callable[[], bool | None]) -> bool | None:
        try:
            return test()
        except (KeyError, TypeError):
            return None

    listed: list[tuple[str, str, Callable[[], bool | None]]] = [
        ("tables of 24 columns are faster than tables of 23",
         "rows of 23 bf16 numbers are not 16-byte aligned, which tensor cores' loads need",
         lambda: found["padding"]["24"] < found["padding"]["23"]),
        ("a call after a written buffer is slower than after a read one",
         "the modified lines are written back while the call runs",
         lambda: found["flushing"]["written"] > found["flushing"]["read"]),
        ("the smallest DCT layer waits for the host for over half of its span",
         "it launches over ten kernels of a few microseconds each",
         lambda: rows[small]["queued_cold"] < 0.5 * rows[small]["span_cold"]),  # type: ignore[index]
        ("a graph of the smallest DCT layer takes no longer than its queued launches",
         "both leave out the host; a graph also has shorter gaps",
         lambda: rows[small]["graph_cold"] < 1.1 * rows[small]["queued_cold"]),  # type: ignore[index]
        ("at the longest length the DCT layer is faster than flash attention without the host",
         "its FLOPs grow with n log n and those of exact attention with the square of n",
         lambda: rows[large]["queued_cold"] < exact["queued_cold"]),  # type: ignore[index]
        ("one product for q, k and v is faster than three where there are few rows",
         "a product of few rows fills few multiprocessors, and the host launches it in more time than it runs",
         lambda: all(few["one"][way] < few["three"][way] for way in ("queued", "span"))
         if (few := next(iter(found["projections"].values()))) else None),
        ("the fused transform is right",
         "its kernel was checked under an interpreter, whose rounding of bfloat16 is coarser",
         lambda: all("failed" not in row and all(one < 0.02 for one in row["error"]) for row in fused)
         if fused else None),
        ("the fused transform is faster than two products at the smallest shape",
         "it is one launch in place of two and writes nothing between them",
         lambda: alone["triton", *smallest]["forward_cold"] < alone["block:128:gemm", *smallest]["forward_cold"]),
        ("the transform in slots is faster than the fused one at the longest length",
         "the work of the fused kernel grows with n m, and that of the slots does not",
         lambda: alone["block:128:slots", *longest]["forward_cold"] < alone["triton", *longest]["forward_cold"]),
    ]  # fmt: skip
    return [{"prediction": what, "because": why, "held": held(test)} for what, why, test in listed]


def explore(out: Path, args: argparse.Namespace) -> Found:
    """Run the steps, and write what is known after each; a step that fails is named and the next one begins."""
    began = perf_counter()
    found: Found = {"steps": {}, "predictions": predictions({})}
    shapes = [(int(batch), int(length)) for batch, length in (shape.split("x") for shape in args.shapes.split(","))]

    def each(name: str, measure: Callable[..., Iterator[Found]], share: float = 1.0) -> list[Found]:
        rows: list[Found] = []
        found[name] = rows  # from the beginning, so that the rows before an error stay
        for row in measure(shapes, args.calls, lambda: perf_counter() - began > share * args.seconds):
            rows.append(row)
            _write(out, found)
        return rows

    steps: dict[str, Callable[[], Any]] = {
        "facts": lambda: facts(out),
        "ceilings": lambda: ceilings(args.calls, args.size),
        "padding": lambda: padding(args.calls, args.size // 8),
        "flushing": lambda: flushing(args.calls, 512 * args.size),
        "projections": lambda: projections(args.calls, args.size),
        "transforms": lambda: each("transforms", transforms, 0.5),  # the layers get what is left
        "layers": lambda: each("layers", layers),
    }
    for name, step in steps.items():
        if perf_counter() - began > args.seconds:
            found["steps"][name] = "no time left"
            _write(out, found)
            continue
        start = perf_counter()
        try:
            found[name] = step()
            found["steps"][name] = "ok"
        except Exception as error:  # the next step may still tell something
            found["steps"][name] = f"{type(error).__name__}: {str(error)[:500]}"
        print(f"{name}: {found['steps'][name]} ({perf_counter() - start:.1f} s)", flush=True)
        found["predictions"] = predictions(found)
        _write(out, found)
    return found


def _write(out: Path, found: Mapping[str, Any]) -> None:
    partial = out / "first_gpu.partial"
    partial.write_text(json.dumps(found, indent=1, default=str), encoding="utf-8")
    partial.replace(out / "first_gpu.json")


def isolation() -> list[str]:
    """Return the flags for fresh processes if a forked one cannot make its first CUDA call here, else none."""
    from dctbench.model import Case
    from dctbench.runners import MeasureSpec
    from dctbench.runners.local import LocalRunner, LocalSettings

    with LocalRunner(LocalSettings(case_timeout=60, isolation="zygote", energy=False)) as runner:
        result = runner.submit(Case("sdpa", 64, device=DEVICE), MeasureSpec(2)).result()
    print(f"forked process: {result.status} {result.message or ''}", flush=True)
    return [] if result.status == "ok" else ["--isolation", "fresh"]


def measure_suite(out: Path, suite: str) -> int:
    """Measure the suite with the real command and return its exit code."""
    command = [sys.executable, "-m", "dctbench", "run", "--suite", suite, "--label", "first-gpu"]
    command += [*isolation(), "--progress", "plain", "--store", str(out / "results.sqlite"), "--format", "json"]
    with (out / "results.json").open("wb") as document:
        return subprocess.run(command, stdout=document, check=False).returncode


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="only say what is missing")
    parser.add_argument("--out", type=Path, default=Path("build/gpu"))
    parser.add_argument("--suite", default=str(Path(__file__).parents[1] / "suites" / "gpu-quick.toml"))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for the steps before the suite")
    parser.add_argument("--shapes", default=SHAPES, help="batch x length, joined by commas")
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--size", type=int, default=8192, help="of the product; other problems follow it")
    args = parser.parse_args(argv)
    problem = missing()
    if problem is not None:
        print(f"first_gpu: {problem}", file=sys.stderr)
        return 6
    if args.check:
        return 0
    args.out.mkdir(parents=True, exist_ok=True)
    found = explore(args.out, args)
    for one in found["predictions"]:
        print({True: "held", False: "WRONG", None: "not known"}[one["held"]], one["prediction"], sep=": ", flush=True)
    return measure_suite(args.out, args.suite)


if __name__ == "__main__":
    sys.exit(main())
