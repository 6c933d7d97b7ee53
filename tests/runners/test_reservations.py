"""What is reserved of a cluster, from what its nodes offer."""

from __future__ import annotations

from typing import Any

from dctbench.runners.reservations import Reservation, reservations


def node(name: str, alive: bool = True, **resources: float) -> dict[str, Any]:
    return {"NodeID": name * 8, "NodeManagerAddress": "10.0.0.1", "Alive": alive, "Resources": resources}


def test_a_node_is_reserved_as_a_whole_and_one_that_offers_nothing_is_left_out() -> None:
    nodes = [node("b", CPU=8, GPU=2), node("a", CPU=4), node("c", CPU=4, alive=False), node("d", memory=1e9)]
    assert reservations(nodes, ["cpu"]) == [
        Reservation("a" * 8, "10.0.0.1 (aaaaaa)", cpus=4), Reservation("b" * 8, "10.0.0.1 (bbbbbb)", cpus=8, gpus=2),
    ]  # fmt: skip


def test_where_nodes_offer_the_resource_of_dctbench_only_they_measure() -> None:
    nodes = [node("a", CPU=4), node("b", CPU=8, dctbench=1)]
    assert reservations(nodes, ["cpu"]) == [Reservation("b" * 8, "10.0.0.1 (bbbbbb)", amount=1)]


def test_gpus_are_reserved_one_by_one_unless_a_cpu_is_measured_too() -> None:
    nodes = [node("a", CPU=4), node("b", CPU=9, GPU=2)]
    assert [(one.cpus, one.gpus) for one in reservations(nodes, ["cuda:0"])] == [(4, 1), (4, 1)]
    assert [(one.cpus, one.gpus) for one in reservations(nodes, ["cpu", "cuda:0"])] == [(9, 2)]
    assert reservations([node("a", CPU=4)], ["cuda:0"]) == []
