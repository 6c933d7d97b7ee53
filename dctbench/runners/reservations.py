"""Which nodes of a cluster measure, and what each reserves so that nothing else runs there meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dctbench.machine.nvml import parse_index

RESOURCE = "dctbench"
"""A custom resource by which a cluster says which of its nodes may measure. Without it, all of them may."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """What is reserved of one node.

    Attributes:
        node: the id of the node.
        name: its address and the start of its id, since two nodes may share an address.
        cpus, gpus: how many of them.
        amount: of the custom resource `dctbench`.
    """

    node: str
    name: str
    cpus: float = 0.0
    gpus: float = 0.0
    amount: float = 0.0


def reservations(nodes: Iterable[Mapping[str, Any]], devices: Sequence[str]) -> list[Reservation]:
    """Return what to reserve, one reservation for each case that may run at once.

    A node is reserved as a whole: all of its CPUs, GPUs and custom resource. If only `cuda:0` is measured, each GPU is
    reserved by itself, with its share of the CPUs: the process of a reservation calls its GPU so.

    Args:
        nodes: as `ray.nodes()` returns them.
        devices: of the cases, and of all their ranks. A node that lacks some of them is of no use.
    """
    alive = sorted((node for node in nodes if node["Alive"]), key=lambda node: str(node["NodeID"]))
    offering = [node for node in alive if node["Resources"].get(RESOURCE)]
    kinds = {device.partition(":")[0] for device in devices}
    wanted = max((parse_index(device) + 1 for device in devices if device.startswith("cuda")), default=0)
    found: list[Reservation] = []
    for node in offering or alive:
        has = node["Resources"]
        cpus, gpus, amount = (float(has.get(name, 0)) for name in ("CPU", "GPU", RESOURCE))
        if gpus < wanted or not (cpus or amount):
            continue
        name = f"{node['NodeManagerAddress']} ({node['NodeID'][:6]})"
        if kinds == {"cuda"} and wanted == 1:
            share = cpus // gpus
            found += [
                Reservation(node["NodeID"], f"{name} GPU {number}", cpus=share, gpus=1.0) for number in range(int(gpus))
            ]
        else:
            found.append(Reservation(node["NodeID"], name, cpus=cpus, gpus=gpus, amount=amount))
    return found
