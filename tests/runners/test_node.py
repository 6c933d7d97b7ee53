"""The node's side of a cluster: what it says of the machine, and how long it waits for its devices."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from dctbench.errors import UnavailableError
from dctbench.model import Case
from dctbench.protocol import (
    DescribeRequest,
    Description,
    NodeCase,
    NodeFacts,
    NodeSettings,
    decode_reply,
    encode_request,
)
from dctbench.runners import node as node_module
from dctbench.runners.lock_files import VARIABLE
from dctbench.runners.node import Node
from tests.support import SUPPORT


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Node]:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr(node_module, "_restore_variables", lambda: None)  # those of this process, for this process
    made = Node(msgspec.json.encode(NodeSettings(60.0, 0.0, ["cpu"], {"PYTHONPATH": str(SUPPORT)})))
    yield made
    made.close()


@pytest.mark.parametrize("kind", [fcntl.LOCK_EX, fcntl.LOCK_SH], ids=["timed", "trainings"])
def test_a_node_says_what_it_is_at_once_and_is_not_ready_while_another_run_works_on_its_device(
    node: Node, tmp_path: Path, kind: int
) -> None:
    case = msgspec.json.encode(NodeCase(Case("none", 16, heads=2, head_dim=8), 1))
    with (tmp_path / "dctbench-cpu.lock").open("w") as held:
        fcntl.flock(held, kind)
        busy = msgspec.json.decode(node.about(), type=NodeFacts)
        for ask in (node.wait_for_devices, lambda: node.measure(case)):
            with pytest.raises(UnavailableError, match=r"^cpu was not free within 0s: another process is measuring"):
                ask()
    assert busy.busy == "another process is measuring on cpu"
    assert busy.facts["cores_usable"]
    node.wait_for_devices()
    assert msgspec.json.decode(node.about(), type=NodeFacts).busy is None


def test_a_node_says_why_a_method_could_not_be_asked(node: Node) -> None:
    """Without its FLOPs, another node or machine may plan differently."""
    cases = [Case("hostile:DiesWhenDescribed", 64), Case("sdpa", 64)]
    found = decode_reply(node.describe(encode_request(DescribeRequest([], cases))), Description)
    assert isinstance(found, Description)
    assert [flops is None for flops in found.flops] == [True, False]
    assert str(found.unanswered).startswith("hostile:DiesWhenDescribed: ")
