"""The side of the driver of a cluster, with nodes that answer from functions: many, silent and busy ones."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import pytest

from dctbench.errors import CannotJudgeError, UnavailableError
from dctbench.machine import environment
from dctbench.model import Case
from dctbench.protocol import CaseReply, Description, Figures, NodeCase, encode_reply
from dctbench.runners import LostError, MeasureSpec
from dctbench.runners import ray as ray_runner
from dctbench.runners.local import LocalSettings
from dctbench.runners.ray import RayRunner, RaySettings
from tests.support.scripted_ray import Answer, GetTimeoutError, RayError, RayTaskError, ScriptedRay, about

CASE = Case("sdpa", 64)
OK = encode_reply(CaseReply("ok", [Figures("latency", "s", [1e-3])]))
DESCRIBED = encode_reply(Description({}, [1.0]))


def opened(
    monkeypatch: pytest.MonkeyPatch,
    answers: Sequence[dict[str, Answer]],
    on_notice: Callable[[str], None] = lambda text: None,
    *,
    same_cpu: bool = False,
    deadline: float = 10.0,
) -> tuple[RayRunner, ScriptedRay]:
    ray = ScriptedRay(answers)
    monkeypatch.setattr(ray_runner, "_connected", lambda address: ray)
    return RayRunner(LocalSettings(), RaySettings("auto", ["cpu"], deadline, same_cpu), on_notice), ray


@pytest.mark.parametrize("same_cpu", [False, True])
def test_nodes_of_several_kinds_are_refused_if_that_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, same_cpu: bool
) -> None:
    answers: list[dict[str, Answer]] = [{"about": lambda kind=kind: about(kind)} for kind in ("a" * 16, "b" * 16)]
    if same_cpu:
        with pytest.raises(CannotJudgeError, match="the nodes are of 2 kinds"):
            opened(monkeypatch, answers, same_cpu=True)
        return
    runner, _ = opened(monkeypatch, answers)
    with runner:
        assert len(runner.places()) == 2


def test_a_node_of_another_kind_is_refused_later_too_if_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second node is lost, and comes back as another machine."""
    kinds = iter(["a" * 16, "b" * 16])
    notices: list[str] = []
    answers: list[dict[str, Answer]] = [
        {"about": lambda: about("a" * 16)},
        {"about": lambda: about(next(kinds)), "measure": raising(RayError("its node died"))},
    ]
    runner, ray = opened(monkeypatch, answers, notices.append, same_cpu=True)
    with runner:
        stays, lost = sorted(runner.places(), key=lambda place: place.name)
        assert isinstance(runner.submit(CASE, MeasureSpec(1), place=lost).exception(), LostError)
        while runner.returning():
            assert runner.places() == [stays]
        assert runner.places() == [stays]
        assert ray.started[-1].killed.is_set()
    [notice] = notices
    assert notice.startswith(f"warning: node {lost.name} is not used: --require-same-cpu, and it is Test CPU (bbbbbb)")


def test_the_only_node_is_named_with_the_reason_when_it_is_not_free_before_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its own deadline begins, and ends, a little later than that of the driver."""
    monkeypatch.setattr(ray_runner, "_LOOK_SECONDS", 0.0)
    notices: list[str] = []
    over = threading.Event()

    def busy() -> bytes:
        over.wait(timeout=30)
        return about()

    with pytest.raises(UnavailableError, match=r"could be used within 1s$"):
        opened(monkeypatch, [{"about": busy}], notices.append, deadline=1.0)
    over.set()
    assert notices == ["warning: node 10.0.0.1 (000000) is not used: it was not free within 1s"]


BUSY = "process 4711 (alice, dctbench) is measuring on cpu"


def test_which_run_a_node_waits_for_is_said_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    notices: list[str] = []
    told = threading.Event()

    def wait_for_devices() -> bytes:
        assert told.wait(timeout=30)
        return b""

    def tell(text: str) -> None:
        notices.append(text)
        told.set()

    runner, _ = opened(
        monkeypatch, [{"about": lambda: about(busy=BUSY), "wait_for_devices": wait_for_devices}], tell, deadline=60.0
    )
    with runner:
        assert len(runner.places()) == 1
    assert notices == [f"waiting for node 10.0.0.1 (000000): {BUSY}"]


def test_a_node_that_another_run_holds_until_the_deadline_is_named_with_that_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray_runner, "_LOOK_SECONDS", 0.0)
    notices: list[str] = []
    over = threading.Event()

    def wait_for_devices() -> bytes:
        over.wait(timeout=30)
        return b""

    answers: list[dict[str, Answer]] = [
        {"about": lambda: about(busy=BUSY), "wait_for_devices": wait_for_devices},
    ]
    with pytest.raises(UnavailableError, match=r"could be used within 5s$"):
        opened(monkeypatch, answers, notices.append, deadline=5.0)
    over.set()
    assert notices == [
        f"waiting for node 10.0.0.1 (000000): {BUSY}",
        f"warning: node 10.0.0.1 (000000) is not used: it was not free within 5s: {BUSY}",
    ]


def raising(error: Exception) -> Answer:
    def answer(line: bytes) -> bytes:
        raise error

    return answer


@pytest.mark.parametrize(
    "error", [RayError("its node died"), RayTaskError("cpu was not free within 1min")], ids=["lost", "busy"]
)
def test_a_node_that_cannot_measure_is_given_up_with_the_reason_and_asked_again(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    runner, ray = opened(monkeypatch, [{"measure": raising(error)}])
    with runner:
        [place] = runner.places()
        lost = runner.submit(CASE, MeasureSpec(1), place=place).exception()
        assert isinstance(lost, LostError)
        assert lost.message == f"node {place.name} was lost ({error})"
        assert runner.places() != [place]
    assert [node.killed.is_set() for node in ray.started] == [True, True]


def test_a_node_of_another_version_is_started_once_though_all_others_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_runner, "_LOOK_SECONDS", 0.01)
    first = threading.Event()
    notices: list[str] = []

    def once() -> bytes:
        if first.is_set():
            raise RayError("its node died")
        first.set()
        return about()

    answers: list[dict[str, Answer]] = [
        {"about": once, "measure": raising(RayError("its node died"))},
        {"about": lambda: about(version="0.0.9")},
    ]
    runner, ray = opened(monkeypatch, answers, notices.append, deadline=5.0)
    with runner:
        assert isinstance(runner.submit(CASE, MeasureSpec(1), place=runner.places()[0]).exception(), LostError)
        with pytest.raises(
            UnavailableError, match=r"was left within 5s; a node that is named above as not used is not asked again$"
        ):
            runner.places()
    starts = Counter(node.name for node in ray.started)
    assert starts["000001"] == 1
    assert starts["000000"] > 2
    [notice] = [text for text in notices if "(000001)" in text]
    here = environment.package_version("dctbench")
    assert notice == (
        f"warning: node 10.0.0.1 (000001) is not used: it has dctbench 0.0.9, here is {here}; install the same "
        "version there"
    )


def test_every_node_measures_at_once_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """More nodes than a pool of threads has by default, 32 at most. None answers before all of them are asked."""
    nodes = 40
    all_asked = threading.Barrier(nodes)

    def measure(line: bytes) -> bytes:
        all_asked.wait(timeout=30)
        return OK

    runner, _ = opened(monkeypatch, [{"measure": measure}] * nodes)
    with runner:
        assert len(runner.places()) == nodes
        futures = [runner.submit(CASE, MeasureSpec(1), place=place) for place in runner.places()]
        assert {future.result().status for future in futures} == {"ok"}


def test_a_metric_of_a_package_that_only_the_node_has_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = [Figures("latency", "s", [1e-3]), Figures("sparsity", "share", [0.5])]
    runner, _ = opened(monkeypatch, [{"measure": lambda line: encode_reply(CaseReply("ok", figures))}])
    with runner:
        measured = runner.submit(CASE, MeasureSpec(1), place=runner.places()[0]).result()
    assert (measured.status, [one.metric for one in measured.measurements]) == ("ok", ["latency"])


@pytest.mark.parametrize("rates", [None, {"fft": 1e9, "gemm": 2e9}])
def test_a_node_plans_with_the_rates_of_its_machine(
    monkeypatch: pytest.MonkeyPatch, rates: dict[str, float] | None
) -> None:
    asked: list[NodeCase] = []

    def measure(line: bytes) -> bytes:
        asked.append(msgspec.json.decode(line, type=NodeCase))
        return OK

    runner, _ = opened(monkeypatch, [{"measure": measure}])
    with runner:
        runner.submit(CASE, MeasureSpec(2, {"budget": 1.0}, rates), place=runner.places()[0]).result()
    assert asked == [NodeCase(CASE, 2, {"budget": 1.0}, rates)]


@pytest.mark.parametrize(
    "first",
    [
        raising(RayError("The actor is dead because its node died")),
        raising(RayTaskError("OSError: no space left")),
        raising(GetTimeoutError("Get timed out")),
        lambda line: b"{",
    ],
    ids=["lost", "broken", "silent", "invalid"],
)
def test_a_node_that_cannot_describe_is_given_up_and_the_next_one_is_asked(
    monkeypatch: pytest.MonkeyPatch, first: Answer
) -> None:
    notices: list[str] = []
    answers = iter([first, lambda line: DESCRIBED])

    def describe(line: bytes) -> bytes:  # of either node, for they are ready, and asked, in either order
        return next(answers)(line)

    runner, ray = opened(monkeypatch, [{"describe": describe}] * 2, notices.append)
    with runner:
        asked = runner.places()[0]
        assert runner.describe(["sdpa"], [CASE]).flops == {CASE: 1}
        assert [f"({node.name})" in asked.name for node in ray.started if node.killed.is_set()] == [True]
        assert asked not in runner.places()
    [notice] = notices
    assert notice.startswith(f"warning: node {asked.name} was lost (")


def test_a_method_that_a_node_could_not_ask_is_known_to_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard is refused then, as it is on one machine."""
    why = "hostile:Silent: timeout after 120 s"
    line = encode_reply(Description({}, [None], unanswered=why))
    runner, _ = opened(monkeypatch, [{"describe": lambda asked: line}])
    with runner:
        assert runner.describe(["hostile:Silent"], [Case("hostile:Silent", 64)]).unanswered == why


def test_when_no_node_can_describe_the_error_names_the_last_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    runner, _ = opened(monkeypatch, [{"describe": raising(RayError("its node died"))}] * 2)
    with runner, pytest.raises(UnavailableError, match=r"at auto could describe .* was lost \(its node died\)$"):
        runner.describe(["sdpa"], [CASE])


def test_a_busy_node_takes_the_request_to_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_runner, "_CLOSE_SECONDS", 5.0)
    begun = threading.Event()

    def measure(line: bytes) -> bytes:
        begun.set()
        [node] = ray.started
        node.killed.wait(timeout=30)  # the case lasts longer than the driver waits
        raise RayError("killed")

    runner, ray = opened(monkeypatch, [{"measure": measure}])
    with runner:
        future = runner.submit(CASE, MeasureSpec(1), place=runner.places()[0])
        assert begun.wait(timeout=30)
    [node] = ray.started
    assert node.closed.is_set()
    assert node.killed.is_set()
    assert future.exception(timeout=30) is not None
    assert ray.started == [node], "a node that was closed is not started again"
