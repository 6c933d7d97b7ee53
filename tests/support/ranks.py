"""One rank of a test: it computes every sharded layer over gloo, and saves its rows and what it has sent.

python -m tests.support.ranks RANK SIZE FOLDER
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.process import OwnProcess

SEQ_LEN, DIM, HEADS, BATCH, KEPT = 37, 24, 3, 2, 8
METHODS = ("sdpa", "dct-x", "dct-kv")
COMMAND = (sys.executable, "-m", "tests.support.ranks")
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "out_proj")


def drawn() -> dict[str, Any]:
    """The input x (batch, n, dim) and the projections, in float64."""
    source = np.random.default_rng(7)
    found: dict[str, Any] = {"x": source.standard_normal((BATCH, SEQ_LEN, DIM))}
    for name in PROJECTIONS:
        found[f"{name}.weight"] = source.standard_normal((DIM, DIM)) / np.sqrt(DIM)
        found[f"{name}.bias"] = source.standard_normal(DIM)
    return found


@dataclass(frozen=True)
class Computed:
    """The output of all ranks of a group together, and the bytes that each rank has sent by collective."""

    output: Any
    sent: list[dict[str, int]]


def computed(size: int, folder: Path) -> dict[str, Computed]:
    """Run every method on so many processes, and return what they computed."""
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    commands = [[*COMMAND, str(rank), str(size), str(folder)] for rank in range(size)]
    with ExitStack() as stack:
        ranks = [
            stack.enter_context(OwnProcess(command, env=environ, stderr=subprocess.PIPE, text=True))
            for command in commands
        ]
        said = [process.communicate(timeout=120)[1] for process in ranks]
    assert [process.returncode for process in ranks] == [0] * size, said
    assert not [line for text in said for line in text.splitlines() if "Warning" in line]
    saved = [dict(np.load(folder / f"{rank}.npz")) for rank in range(size)]
    return {
        method: Computed(
            np.concatenate([one[method] for one in saved], axis=1),
            [{key.rpartition("/")[2]: int(one[key]) for key in one if key.startswith(f"{method}/")} for one in saved],
        )
        for method in METHODS
    }


def main(rank: int, size: int, folder: Path) -> None:
    """Join the group of a folder as one rank."""
    import torch
    import torch.distributed as dist

    from dctbench.attention.sharded.communication import Communicator, rank_bounds

    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    store = dist.FileStore(str(folder / "store"), size)  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=timedelta(seconds=60))
    values = {name: torch.from_numpy(value) for name, value in drawn().items()}
    bounds = rank_bounds(SEQ_LEN, size)
    rows = values.pop("x")[:, bounds[rank] : bounds[rank + 1]]
    found: dict[str, Any] = {}
    with torch.inference_mode():
        for name, output, communicator in outputs(rows, values, Communicator(rank, size, dist.group.WORLD)):
            found[name] = output.numpy()
            for collective, traffic in communicator.sent.items():
                found[f"{name}/{collective}"] = traffic.bytes
    np.savez(folder / f"{rank}.npz", **found)
    dist.destroy_process_group()


def outputs(rows: Any, weights: dict[str, Any], communicator: Any) -> Iterator[tuple[str, Any, Any]]:
    """The output of every method for the rows of this rank."""
    import torch

    from dctbench.attention.sharded import build_sharded

    for name in METHODS:
        communicator.sent.clear()
        layer = build_sharded(
            name, communicator=communicator, seq_len=SEQ_LEN, dim=DIM, heads=HEADS,
            kept=None if name == "sdpa" else KEPT, dtype=torch.float64,
        )  # fmt: skip
        layer.load_state_dict(weights)
        yield name, layer(rows), communicator


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
