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
    assert reservations(nodes, ["cpu"]) == [Reservation("b" * 8, "10.0.0.1 (bbbbbb)", cpus=8, amount=1)]


def test_a_node_that_offers_it_is_reserved_with_all_its_processors_so_that_no_other_job_runs_there() -> None:
    offering = node("b", CPU=8, GPU=2, dctbench=1)
    [whole] = reservations([offering], ["cpu"])
    assert (whole.cpus, whole.gpus, whole.amount) == (8, 2, 1)
    assert [(one.cpus, one.gpus) for one in reservations([offering], ["cuda:0"])] == [(4, 1), (4, 1)]
    [without_cpus] = reservations([node("c", CPU=0, dctbench=1)], ["cpu"])
    assert (without_cpus.cpus, without_cpus.amount) == (0, 1)


def test_gpus_are_reserved_one_by_one_unless_a_cpu_is_measured_too() -> None:
    nodes = [node("a", CPU=4), node("b", CPU=9, GPU=2)]
    assert [(one.cpus, one.gpus) for one in reservations(nodes, ["cuda:0"])] == [(4, 1), (4, 1)]
    assert [(one.cpus, one.gpus) for one in reservations(nodes, ["cpu", "cuda:0"])] == [(9, 2)]
    assert reservations([node("a", CPU=4)], ["cuda:0"]) == []


def test_a_node_is_reserved_as_a_whole_where_a_second_gpu_is_measured_and_must_have_it() -> None:
    nodes = [node("a", CPU=4, GPU=1), node("b", CPU=8, GPU=4)]
    for devices in (["cuda:0", "cuda:1"], ["cuda:1"]):
        assert [(one.cpus, one.gpus) for one in reservations(nodes, devices)] == [(8, 4)]
    assert reservations(nodes, ["cuda:4"]) == []
