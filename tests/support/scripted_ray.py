"""A stand-in for the module `ray`, whose nodes answer from functions, for what a small real cluster does not show."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import SimpleNamespace
from typing import Any

import msgspec

from dctbench.machine import environment
from dctbench.protocol import PROTOCOL, NodeFacts
from tests.support.made import ENVIRONMENT

Answer = Callable[..., bytes]


class RayError(Exception):
    """Any error of Ray."""


class RayTaskError(RayError):
    """An error that a node raised."""


class GetTimeoutError(RayError, TimeoutError):
    """No answer in time."""


class ScriptedNode:
    """The process of a node. As Ray does, it takes `max_concurrency` calls at a time, by default one.

    Attributes:
        closed: whether it has taken the request to close.
        killed: whether it was killed.
    """

    def __init__(self, name: str, answers: dict[str, Answer], calls: int) -> None:
        self.name = name
        self.closed, self.killed = threading.Event(), threading.Event()
        self._threads = ThreadPoolExecutor(calls)
        given: dict[str, Callable[..., Any]] = {"about": about, **answers, "close": self._close}
        for method, answer in given.items():
            setattr(self, method, SimpleNamespace(remote=self._remote(answer)))

    def _remote(self, answer: Callable[..., Any]) -> Callable[..., Future[Any]]:
        return lambda *words: self._threads.submit(answer, *words)

    def _close(self) -> None:
        self.closed.set()


class ScriptedRay:
    """The module, connected to a cluster.

    Args:
        answers: of each node, by method, to the lines that it is sent. `about` is sent none, and has a usual answer.
    """

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError, GetTimeoutError=GetTimeoutError)
    util = SimpleNamespace(
        scheduling_strategies=SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: node)
    )

    def __init__(self, answers: Sequence[dict[str, Answer]]) -> None:
        self._answers = {f"{number:06}": one for number, one in enumerate(answers)}
        self.started: list[ScriptedNode] = []

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"NodeID": name, "NodeManagerAddress": "10.0.0.1", "Alive": True, "Resources": {"CPU": 4}}
            for name in self._answers
        ]

    def remote(self, kind: type) -> Any:
        def start(options: dict[str, Any]) -> ScriptedNode:
            name = options["scheduling_strategy"]
            self.started.append(ScriptedNode(name, self._answers[name], options.get("max_concurrency", 1)))
            return self.started[-1]

        return SimpleNamespace(options=lambda **options: SimpleNamespace(remote=lambda settings: start(options)))

    def get(self, asked: Future[Any], timeout: float | None = None) -> Any:
        return asked.result(timeout)

    def wait(self, asked: Sequence[Future[Any]], num_returns: int, timeout: float) -> None:
        assert num_returns == len(asked)
        wait(asked, timeout)

    def kill(self, node: ScriptedNode) -> None:
        node.killed.set()

    def shutdown(self) -> None:
        return


def about(fingerprint: str = ENVIRONMENT.fingerprint, version: str | None = None, busy: str | None = None) -> bytes:
    """What a node tells about itself that has the packages of this machine, or another version of dctbench."""
    facts = {**ENVIRONMENT.facts, "torch": environment.package_version("torch")}
    version = version or environment.package_version("dctbench")
    return msgspec.json.encode(NodeFacts(PROTOCOL, version, fingerprint, facts, busy))
