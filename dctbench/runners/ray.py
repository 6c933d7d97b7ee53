"""Run cases on the nodes of a Ray cluster: each node measures as this machine does, and only the driver stores.

Ray starts one process per reserved node (`runners.node`), tells when it is lost, and carries lines of JSON. A cluster
is a boundary of trust: whoever may use it can run any code on its nodes.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any, Self

import msgspec

from dctbench.errors import AbsentError, CannotJudgeError, DctbenchError, UnavailableError, UsageError
from dctbench.machine import environment
from dctbench.model import Case, Environment, Result
from dctbench.protocol import (
    PROTOCOL,
    CaseReply,
    DescribeRequest,
    Description,
    Failure,
    ModelFacts,
    NodeCase,
    NodeFacts,
    NodeSettings,
    decode_reply,
    encode_request,
)
from dctbench.runners import Facts, LostError, MeasureSpec, Place, responses, result_from_reply
from dctbench.runners.interleave import Turn
from dctbench.runners.local import DESCRIBE_TIMEOUT, LocalSettings
from dctbench.runners.node import Node
from dctbench.runners.notices import Notices
from dctbench.runners.reservations import Reservation, reservations
from dctbench.text.fields import Facts as EnvironmentFacts
from dctbench.text.format import format_duration, shorten
from dctbench.text.sanitize import sanitize_text, sanitize_values
from dctbench.text.untrusted import InvalidDataError, converted

CONNECT_SECONDS = 60.0
REPLY_SECONDS = 300.0
"""How much longer than a description a node may take to reply, for starts."""
_LOOK_SECONDS = 1.0
_ANSWER_SECONDS = 30.0
"""How much longer than the deadline the first node may take, for its start."""
_PORT_SECONDS = 10.0
_CLOSE_SECONDS = 10.0
_MOST_THREADS = 10_000
"""One waits for each case that runs and for each node that starts. They are started when they are needed."""
_NODE_CALLS = 2
"""Calls of a node at a time: a case, and the request to close, which must not wait for it."""


@dataclass(frozen=True, slots=True)
class RaySettings:
    """Which cluster, and how it is used.

    Attributes:
        address: HOST:PORT of a cluster, or `auto` for the one that this machine belongs to.
        devices: of the cases that will run.
        deadline: seconds to wait for nodes that are free, and for a device of a node on which another run measures.
        same_cpu: whether to refuse nodes of different fingerprints.
    """

    address: str
    devices: Sequence[str]
    deadline: float = 60.0
    same_cpu: bool = False


class _OtherVersionError(DctbenchError):
    """A node cannot measure for this driver, since it runs other versions."""


class RayRunner:
    """Runs one case at a time on each node of a cluster. Use it as a context manager: leaving it frees the nodes.

    Args:
        local: how each node runs its cases.
        settings: which cluster.
        on_notice: called, in the thread that uses the runner, with a message about a node that is not used, or
            is waited for.

    Raises:
        UnavailableError: without Ray, without such a cluster, and when no node of it can be used before the deadline.
        CannotJudgeError: when its nodes have different fingerprints and that was refused.
    """

    several = True

    def __init__(self, local: LocalSettings, settings: RaySettings, on_notice: Callable[[str], None]) -> None:
        self._ray = _connected(settings.address)
        self._local, self._settings = local, settings
        self._notices = Notices(on_notice)
        self._on_notice = self._notices.put
        self._actors: dict[Place, tuple[Reservation, Any]] = {}
        self._renewals: dict[Future[tuple[Any, Environment]], Reservation] = {}
        self._only_kind: str | None = None  # the fingerprint of all nodes, where others are refused
        self._refused: set[str] = set()  # ids of nodes
        self._threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="dctbench-ray")
        self._closing = threading.Event()
        try:
            self._reserve(monotonic() + settings.deadline)
            if settings.same_cpu:
                self._require_one_kind()
                self._only_kind = self.environment.fingerprint
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        actors = [actor for _, actor in self._actors.values()]
        with suppress(Exception):  # a node that was lost cannot close
            self._ray.wait([a.close.remote() for a in actors], num_returns=len(actors), timeout=_CLOSE_SECONDS)
        for actor in actors:
            with suppress(Exception):
                self._ray.kill(actor)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._ray.shutdown()

    @property
    def environments(self) -> Sequence[Environment]:
        """Those of the nodes, each kind once."""
        return list({place.environment.fingerprint: place.environment for place in self._actors}.values())

    @property
    def environment(self) -> Environment:
        """That of the first node."""
        return next(iter(self._actors)).environment

    def require(self, devices: Sequence[str]) -> None:
        """Nothing: only nodes that have the devices are reserved."""

    def places(self) -> Sequence[Place]:
        """The reserved nodes. When none is left, it waits for one until the deadline.

        Raises:
            UnavailableError: at the deadline.
        """
        self._take_renewals()
        deadline = monotonic() + self._settings.deadline
        while not self._actors:
            if monotonic() >= deadline:
                raise self._no_node("was left")
            if not self._renewals:
                nodes = [node for node in self._ray.nodes() if node["NodeID"] not in self._refused]
                self._renew(reservations(nodes, self._settings.devices))
            sleep(_LOOK_SECONDS)
            self._take_renewals()
        return list(self._actors)

    def returning(self) -> bool:
        """Whether the node of a place that was lost is asked again, for which it has until the deadline."""
        if not self._renewals:
            return False
        wait(list(self._renewals), timeout=_LOOK_SECONDS)
        return True

    def submit(
        self, case: Case, spec: MeasureSpec, turn: Turn | None = None, place: Place | None = None
    ) -> Future[Result]:
        """Measure `case` on a node. See `Runner`; a node takes no turns."""
        assert place is not None
        assert turn is None
        return self._threads.submit(self._measure, place, case, spec)

    def wait(self, futures: Iterable[Future[Result]], timeout: float | None = None) -> set[Future[Result]]:
        """Wait for the first of the futures; see `Runner`. `places` delivers the notices."""
        return wait(futures, timeout, FIRST_COMPLETED).done

    def ready(self, device: str, round: int) -> Future[None]:
        """Nothing: each node starts what it needs."""
        return self._threads.submit(lambda: None)

    @contextmanager
    def hold(self, devices: Sequence[str]) -> Iterator[None]:
        """Nothing: the nodes are reserved already."""
        yield

    def jobs(self, case: Case) -> int:
        """One: a node measures one case at a time, trainings included."""
        return 1

    def describe(
        self,
        implementations: Sequence[str],
        cases: Sequence[Case],
        tasks: Sequence[str] = (),
        inputs: Sequence[str] = (),
    ) -> Facts:
        """Ask the first node that answers; see `Runner`. Those that do not are given up as lost.

        Raises:
            AbsentError: when a name does not exist.
            UsageError: when one of the implementations cannot be imported there.
            UnavailableError: when no node answers, and when a package that makes an input is missing there.
        """
        reply = self._description(
            encode_request(DescribeRequest(list(implementations), list(cases), list(tasks), list(inputs)))
        )
        if isinstance(reply, Failure):
            kind = AbsentError if reply.absent else UsageError if reply.refused else DctbenchError
            kind = UnavailableError if reply.unavailable else kind
            raise kind(reply.message, hint=reply.hint)
        counted = zip(cases, reply.flops, strict=True)
        flops = {case: None if n is None else int(n) for case, n in counted}
        return Facts(reply.implementations, flops, reply.tasks, reply.unanswered)

    def _description(self, request: bytes) -> Description | Failure:
        said = "it has none"
        for place in self.places():
            reservation, actor = self._actors[place]
            try:
                line = self._ray.get(actor.describe.remote(request), timeout=DESCRIBE_TIMEOUT + REPLY_SECONDS)
                return decode_reply(line, Description)
            except (self._ray.exceptions.RayError, InvalidDataError) as error:
                said = self._lost(place, reservation, actor, error).message
                self._on_notice(f"warning: {said} when it was asked about implementations")
        raise UnavailableError(
            f"no node of the Ray cluster at {self._settings.address} could describe the implementations: {said}",
            hint="see `ray status`",
        )

    def model_facts(self, target: str, seq_len: int, batch: int) -> ModelFacts:
        """Refuse: the nodes of a cluster may not have the user's model.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"--model {target}: a model is measured on this machine", hint="leave out --runner ray")

    def _measure(self, place: Place, case: Case, spec: MeasureSpec) -> Result:
        reservation, actor = self._actors[place]
        rates = None if spec.rates is None else dict(spec.rates)
        request = msgspec.json.encode(NodeCase(case, spec.round, dict(spec.sampling), rates))
        try:
            reference = actor.measure.remote(request)
            line = self._ray.get(reference)  # the node ends what hangs, and Ray tells when the node is lost
        except self._ray.exceptions.RayError as error:
            raise self._lost(place, reservation, actor, error) from error
        try:
            reply = responses.case_reply(case, line, drop_unknown=True)
        except InvalidDataError as error:
            reply = CaseReply(status="error", message=f"the answer of its node is not valid: {error}")
        return result_from_reply(case, spec.round, reply, place.environment)

    def _lost(self, place: Place, reservation: Reservation, actor: Any, error: Exception) -> LostError:
        """Give up a place, and try to reserve its node again."""
        self._actors.pop(place, None)
        with suppress(Exception):
            self._ray.kill(actor)
        self._renew([reservation])
        return LostError(f"node {place.name} was lost ({_reason(error)})")

    def _reserve(self, deadline: float) -> None:
        """Reserve every node that can be had before the deadline, and wait for at least one."""
        wanted: list[Reservation] = []
        while not (wanted := reservations(self._ray.nodes(), self._settings.devices)):
            if monotonic() >= deadline:
                raise self._no_node(f"offers {' and '.join(dict.fromkeys(self._settings.devices))}")
            sleep(_LOOK_SECONDS)
        self._renew(wanted)
        # Each node has until the deadline to say that it is free: without any, it is said of each why not.
        last = monotonic() + self._settings.deadline + _ANSWER_SECONDS
        while self._renewals and monotonic() < (deadline + _LOOK_SECONDS if self._actors else last):
            sleep(_LOOK_SECONDS / 10)
            self._take_renewals()
        if not self._actors:
            raise self._no_node("could be used")

    def _no_node(self, what: str) -> UnavailableError:
        refused = "; a node that is named above as not used is not asked again" if self._refused else ""
        return UnavailableError(
            f"no node of the Ray cluster at {self._settings.address} {what} within "
            f"{format_duration(self._settings.deadline)}{refused}",
            hint="see `ray status`; start nodes or free them, or wait longer with --runner-timeout; what is measured "
            "is stored: go on with dctbench run --resume and the same --runner and --address",
        )

    def _renew(self, wanted: Sequence[Reservation]) -> None:
        if self._closing.is_set():
            return
        self._renewals |= {self._threads.submit(self._start, one): one for one in wanted}

    def _take_renewals(self) -> None:
        done = [one for one in list(self._renewals) if one.done()]
        self._notices.wait([], 0.0)  # what a node waited for is said before what became of it
        for renewal in done:
            reservation = self._renewals.pop(renewal)
            try:
                actor, found = renewal.result()
            except DctbenchError as error:
                if isinstance(error, _OtherVersionError):  # started again, it would say the same
                    self._refused.add(reservation.node)
                self._on_notice(f"warning: {error.message}")
                continue
            if self._only_kind in (None, found.fingerprint):
                self._actors[Place(reservation.name, found)] = reservation, actor
                continue
            self._ray.kill(actor)
            self._refused.add(reservation.node)
            self._on_notice(
                f"warning: node {reservation.name} is not used: --require-same-cpu, and it is {_kind(found)}, unlike "
                "the others"
            )

    def _start(self, reservation: Reservation) -> tuple[Any, Environment]:
        """Start the process of a node, and ask what the node is.

        Raises:
            DctbenchError: naming the node and why it is not used.
            _OtherVersionError: when that is so until somebody installs something there.
        """
        ray = self._ray
        strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(reservation.node, soft=False)
        resources = {"dctbench": reservation.amount} if reservation.amount else {}
        local = self._local
        settings = msgspec.json.encode(
            NodeSettings(
                local.case_timeout,
                self._settings.deadline,
                list(self._settings.devices),
                dict(local.env),
                dict(local.sampling),
                local.isolation,
                local.cache,
                local.energy,
                local.protocol,
            )
        )
        actor = (
            ray.remote(Node)
            .options(
                num_cpus=reservation.cpus,
                num_gpus=reservation.gpus,
                resources=resources,
                scheduling_strategy=strategy,
                max_concurrency=_NODE_CALLS,
                max_restarts=0,
                max_task_retries=0,
            )
            .remote(settings)
        )
        name = f"node {reservation.name} is not used"
        deadline = monotonic() + self._settings.deadline
        waited_for = ""
        try:
            told = _node_facts(ray.get(actor.about.remote(), timeout=self._settings.deadline))
            found = _environment(told)
            if told.busy is not None:
                waited_for = f": {shorten(sanitize_text(told.busy), 160)}"
                self._notices.put(f"waiting for node {reservation.name}{waited_for}")
                ray.get(actor.wait_for_devices.remote(), timeout=max(0.0, deadline - monotonic()))
            return actor, found
        except InvalidDataError as error:
            self._ray.kill(actor)
            raise _OtherVersionError(f"{name}: {error}") from error
        except (ray.exceptions.GetTimeoutError, TimeoutError) as error:
            self._ray.kill(actor)
            waited = format_duration(self._settings.deadline)
            raise DctbenchError(f"{name}: it was not free within {waited}{waited_for}") from error
        except ray.exceptions.RayError as error:
            raise DctbenchError(f"{name}: {_reason(error)}") from error

    def _require_one_kind(self) -> None:
        kinds = {place.environment.fingerprint: place for place in self._actors}
        if len(kinds) > 1:
            named = ", ".join(f"{place.name} is {_kind(place.environment)}" for place in kinds.values())
            raise CannotJudgeError(
                f"--require-same-cpu: the nodes are of {len(kinds)} kinds: {named}",
                hint="leave the flag out for a part of the report for each kind",
            )


def _kind(environment: Environment) -> str:
    return f"{environment.facts['cpu']} ({environment.fingerprint[:6]})"


def _connected(address: str) -> Any:
    """Return the module `ray`, connected to a cluster.

    Raises:
        UnavailableError: naming why not.
    """
    try:
        import ray  # it may be missing, and takes a second
        import ray.util.scheduling_strategies
    except ImportError:
        raise UnavailableError(
            "--runner ray needs the package ray", hint="install it: pip install 'dctbench[ray]'"
        ) from None
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    hint = "start a cluster with `ray start --head`, and give its address: --address HOST:PORT"
    if address != "auto":
        _require_port(address, hint)
    failed: list[BaseException] = []

    def connect() -> None:
        try:
            # Without a proxy for its own log: what nodes print is no message of this command.
            ray.init(address=address, log_to_driver=False, configure_logging=False)
        except BaseException as error:
            failed.append(error)

    # In a thread of its own: Ray tries for minutes, and would replace the handlers of signals.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    if failed or thread.is_alive():
        why = _reason(failed[0]) if failed else f"no answer within {format_duration(CONNECT_SECONDS)}"
        raise UnavailableError(f"no Ray cluster at {address}: {why}", hint=hint)
    return ray


def _require_port(address: str, hint: str) -> None:
    host, _, port = address.rpartition(":")
    mistyped = UsageError(f"--address {shorten(address)!r}: not an address", hint="such as --address auto or HOST:6379")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise mistyped
    try:
        socket.create_connection((host, int(port)), timeout=_PORT_SECONDS).close()
    except ValueError:  # a name that no host can have, such as one with two dots in a row
        raise mistyped from None
    except OSError as error:
        raise UnavailableError(f"no Ray cluster at {address}: {error.strerror or error}", hint=hint) from None


def _node_facts(line: bytes) -> NodeFacts:
    """Return what a node tells about itself.

    Raises:
        InvalidDataError: for a reply that is not valid.
    """
    try:
        return msgspec.json.decode(line, type=NodeFacts)
    except msgspec.MsgspecError as error:
        raise InvalidDataError(f"its answer is not valid: {error}") from None


def _environment(told: NodeFacts) -> Environment:
    """Return the environment of a node that can measure for this driver.

    Raises:
        InvalidDataError: for facts that are not valid, and for versions unlike those here.
    """
    here = environment.package_version("dctbench")
    if (told.protocol, told.version) != (PROTOCOL, here):
        raise InvalidDataError(f"it has dctbench {told.version}, here is {here}; install the same version there")
    facts = converted(told.facts, EnvironmentFacts, "the facts of the node")
    torch = environment.package_version("torch")
    if facts.torch != torch:
        raise InvalidDataError(f"it has torch {facts.torch}, here is {torch}; install the same version there")
    return Environment(sanitize_values(told.facts), told.fingerprint)


def _reason(error: BaseException) -> str:
    """Return the part of an error of Ray that says what happened, in one line."""
    cause = getattr(error, "cause", None)
    text = str(cause if isinstance(cause, BaseException) else error)
    lines = [line.strip() for line in sanitize_text(text).splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith("The actor is dead because")), lines[0] if lines else "")
    return shorten(said or type(error).__name__, 160)
