"""A runner that answers from a function, so that the loops which decide what is measured next need no process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from dctbench.errors import DctbenchError
from dctbench.model import Case, Environment, Result
from dctbench.protocol import ModelFacts
from dctbench.runners import Facts, MeasureSpec, Place
from dctbench.runners.interleave import Turn
from tests.support.made import ENVIRONMENT

Script = Callable[[Case, int], Result]
MOST = 2000
"""More entries in a log than any test needs."""


@dataclass(frozen=True)
class Asked:
    """One request to a runner. `begins` is whether the process may start at once; None where it takes no turns."""

    runner: str
    case: Case
    spec: MeasureSpec
    begins: bool | None


class Scripted:
    """A runner that answers from a function, in order. Several may write into one `log`."""

    several = False
    environment: Environment = ENVIRONMENT

    def __init__(self, script: Script, name: str = "", log: list[Asked | str] | None = None) -> None:
        self.script = script
        self.name = name
        self.place = Place("", self.environment)
        self.log: list[Asked | str] = [] if log is None else log

    @property
    def asked(self) -> list[tuple[str, int, int]]:
        """Implementation, length and round of each request to this runner."""
        return [
            (one.case.implementation, one.case.seq_len, one.spec.round)
            for one in self.log
            if isinstance(one, Asked) and one.runner == self.name
        ]

    @property
    def environments(self) -> Sequence[Environment]:
        return (self.environment,)

    def require(self, devices: Sequence[str]) -> None:
        return

    def places(self) -> Sequence[Place]:
        return (self.place,)

    def returning(self) -> bool:
        return False

    def submit(
        self, case: Case, spec: MeasureSpec, turn: Turn | None = None, place: Place | None = None
    ) -> Future[Result]:
        assert len(self.log) < MOST, "the loop does not end"
        self.log.append(Asked(self.name, case, spec, None if turn is None else _begins(turn)))
        future: Future[Result] = Future()
        future.set_result(self.script(case, spec.round))
        return future

    def wait(self, futures: Iterable[Future[Result]], timeout: float | None = None) -> set[Future[Result]]:
        return wait(futures, timeout, FIRST_COMPLETED).done

    def ready(self, device: str, round: int) -> Future[None]:
        self.log.append(f"{self.name} ready for {device} in round {round}")
        future: Future[None] = Future()
        future.set_result(None)
        return future

    @contextmanager
    def hold(self, devices: Sequence[str]) -> Iterator[None]:
        self.log.append(f"{self.name} takes {' '.join(devices)}")
        yield
        self.log.append(f"{self.name} returns {' '.join(devices)}")

    def jobs(self, case: Case) -> int:
        return 1

    def describe(
        self,
        implementations: Sequence[str],
        cases: Sequence[Case],
        tasks: Sequence[str] = (),
        inputs: Sequence[str] = (),
    ) -> Facts:
        raise AssertionError("nothing of what is scripted is described")

    def model_facts(self, target: str, seq_len: int, batch: int) -> ModelFacts:
        raise AssertionError("nothing of what is scripted is a model")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return


def _begins(turn: Turn) -> bool:
    closing = threading.Event()
    closing.set()  # so that a side which would have to wait says so at once
    try:
        turn.wait(closing)
    except DctbenchError:
        return False
    return True


class Describing(Scripted):
    """A scripted runner that describes nothing but the FLOPs of a case: the same of all, or unknown."""

    def __init__(self, script: Script, flops: int | None = None) -> None:
        super().__init__(script)
        self.flops = flops
        self.described: list[tuple[Sequence[str], Sequence[Case]]] = []

    def describe(
        self,
        implementations: Sequence[str],
        cases: Sequence[Case],
        tasks: Sequence[str] = (),
        inputs: Sequence[str] = (),
    ) -> Facts:
        self.described.append((tuple(implementations), tuple(cases)))
        return Facts({}, dict.fromkeys(cases, self.flops))
