"""Is every method as fast here as we know how to write it? `python -m benchmarks.rivals` compares, in about 3 minutes.

Each layer that has other forms of its formula in `rival_forms` runs at its default settings beside them, with equal
weights and checked to give equal results. Calls alternate in one process, so that a slow moment of the machine
affects all. With one thread, the default, the processor time of that thread is measured: time that other processes take
is not in it, although they still compete for the cache. A ratio above 1 means that our layer is slower than the fastest
of the other forms.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.dct_speed import interleaved, with_machine
from benchmarks.rival_forms import FORMS, Form
from dctbench import catalog
from dctbench.attention import build, default_kept
from dctbench.machine import environment

RESULTS = Path(__file__).with_name("rivals.json")
GOAL = 1.15
AGREEMENT = 1e-4
"""Of the largest output: float32, in another order of operations."""
RATIO = 8
"""Of the methods without a number of their own."""


def layer_of(method: str, seq_len: int, dim: int, heads: int) -> nn.Module:
    """The layer of a method at its default settings, in float32; a method with a ratio only is built at `RATIO`."""
    torch.manual_seed(0)
    by_ratio = catalog.implementation(method).uses_ratio and default_kept(method) is None
    return build(method, seq_len=seq_len, dim=dim, heads=heads, ratio=RATIO if by_ratio else None).eval()


def difference(layer: nn.Module, form: Form, x: torch.Tensor) -> float:
    """The largest difference of the outputs relative to the largest output."""
    expected = layer(x)
    return float((form(layer, x) - expected).abs().max() / expected.abs().max())


def measure(method: str, seq_len: int, options: argparse.Namespace) -> dict[str, Any]:
    """One row: the milliseconds of our layer and of each other form."""
    layer = layer_of(method, seq_len, options.dim, options.heads)
    x = torch.randn(options.batch, seq_len, options.dim)
    forms = FORMS[method]
    differences = [difference(layer, form, x) for form in forms]
    if not max(differences) <= AGREEMENT:
        raise SystemExit(f"{method}: a form differs from the layer by {max(differences):.1e} of the largest output")
    calls: list[Callable[[], object]] = [lambda: layer(x), *(_call(form, layer, x) for form in forms)]
    ours, *theirs = interleaved(calls, options.seconds, options.threads)
    return {
        "method": method,
        "seq_len": seq_len,
        "kept": getattr(layer, "n_kept", None),
        "ours_ms": round(ours * 1e3, 4),
        "forms_ms": {form.__name__: round(taken * 1e3, 4) for form, taken in zip(forms, theirs, strict=True)},
    }


def _call(form: Form, layer: nn.Module, x: torch.Tensor) -> Callable[[], object]:
    return lambda: form(layer, x)


def fastest(row: Mapping[str, Any]) -> tuple[str, float]:
    """The name and the milliseconds of the fastest other form."""
    name = min(row["forms_ms"], key=row["forms_ms"].__getitem__)
    return name, row["forms_ms"][name]


def table(found: Mapping[str, Any]) -> list[str]:
    """The rows of each machine as Markdown tables."""
    lines: list[str] = []
    for machine in found["machines"]:
        lines += [*_machine_table(machine), ""]
    return lines[:-1]


def _machine_table(found: Mapping[str, Any]) -> list[str]:
    lines = [
        "| method | n | kept | this layer | the fastest other form | its time | ratio |",
        "|---|--:|--:|--:|---|--:|--:|",
    ]
    ratios = []
    for row in found["rows"]:
        name, taken = fastest(row)
        ratios.append(row["ours_ms"] / taken)
        described = next(form.__doc__ or "" for form in FORMS[row["method"]] if form.__name__ == name).split("\n")[0]
        lines.append(
            f"| `{row['method']}` | {row['seq_len']} | {row['kept'] or '-'} | {row['ours_ms']:.2f} ms "
            f"| {described.rstrip('.')} | {taken:.2f} ms | {ratios[-1]:.2f} |"
        )
    within = sum(ratio <= GOAL for ratio in ratios)
    one = found["threads"] == 1
    measured = "processor time of one thread" if one else f"{found['threads']} threads"
    machine = found["machine"]
    model = machine["cpu_id"] or "its model was not recorded"
    return [
        *lines,
        "",
        f"{within} of {len(ratios)} rows are within {GOAL:g} of the fastest other form. Forward, float32, "
        f"d = {found['dim']}, {found['heads']} heads, batch {found['batch']}, {measured} "
        f"({machine['cpu']}, {model}, torch {machine['torch']}).",
    ]


def main(arguments: Sequence[str]) -> None:
    """Measure, print the table, and write the result file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rivals", description=__doc__)
    parser.add_argument("--method", choices=sorted(FORMS), nargs="+", default=list(FORMS))
    parser.add_argument("--seq", type=int, nargs="+", default=[1024, 4096], help="multiples of 128")
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0, help="per row, at least")
    parser.add_argument(
        "--json", type=Path, default=RESULTS, help="write the rows of this machine into this result file"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    rows = []
    with torch.inference_mode():
        for method in options.method:
            for seq_len in options.seq:
                rows.append(measure(method, seq_len, options))
                name, taken = fastest(rows[-1])
                print(f"{method:16s}{seq_len:6d} ours {rows[-1]['ours_ms']:8.2f} ms  {name} {taken:8.2f} ms"
                      f"  {rows[-1]['ours_ms'] / taken:5.2f}", flush=True)  # fmt: skip
    facts = environment.collect().facts
    document = {
        "machine": {name: facts[name] for name in ("cpu", "cpu_id", "cores_usable", "torch")},
        **{name: getattr(options, name) for name in ("dim", "heads", "batch", "threads")},
        "rows": rows,
    }
    found = json.loads(options.json.read_text(encoding="utf-8")) if options.json.exists() else {"machines": []}
    options.json.write_text(json.dumps(with_machine(found, document), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
