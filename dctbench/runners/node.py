"""One node of a cluster: it runs the cases of a driver as `LocalRunner` runs them, and talks JSON.

A cluster starts this class in a process of its own. Every request and reply is a line of `dctbench.protocol`, so that
nothing that travels can run code where it arrives.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from dctbench.errors import AbsentError, DctbenchError, UnavailableError, UsageError
from dctbench.machine.environment import ALLOCATOR_VARIABLES, THREAD_VARIABLES
from dctbench.protocol import (
    PROTOCOL,
    DescribeRequest,
    Description,
    Failure,
    NodeCase,
    NodeFacts,
    NodeSettings,
    decode_request,
    encode_reply,
)
from dctbench.runners import MeasureSpec, reply_from_result
from dctbench.runners.local import LocalRunner, LocalSettings


class Node:
    """The node's side of a cluster runner. `close` may be called while another call runs, and ends it.

    Args:
        settings: JSON of `protocol.NodeSettings`.
    """

    def __init__(self, settings: bytes) -> None:
        _restore_variables()
        read = msgspec.json.decode(settings, type=NodeSettings)
        local = LocalSettings(
            read.case_timeout,
            read.env,
            read.sampling,
            read.isolation,
            read.cache,
            energy=read.energy,
            protocol=read.protocol,
            free_within=read.free_within,
        )
        self._devices = read.devices
        self._runner = LocalRunner(local)

    def about(self) -> bytes:
        """Return JSON of `protocol.NodeFacts`. It waits for nothing."""
        here = self._runner.environment
        busy = self._runner.busy(self._devices)
        return msgspec.json.encode(NodeFacts(PROTOCOL, self._runner.version, here.fingerprint, dict(here.facts), busy))

    def wait_for_devices(self) -> None:
        """Return once no other run measures on the devices.

        Raises:
            UnavailableError: when one does for too long.
        """
        with self._runner.hold(self._devices):
            return

    def measure(self, request: bytes) -> bytes:
        """Return the line of a `CaseReply` to a `NodeCase`.

        Raises:
            UnavailableError: when another run measures on its device for too long.
        """
        asked = msgspec.json.decode(request, type=NodeCase)
        result = self._runner.submit(asked.case, MeasureSpec(asked.round, asked.sampling, asked.rates)).result()
        return encode_reply(reply_from_result(result))

    def describe(self, request: bytes) -> bytes:
        """Return the line of a `Description` or a `Failure` to a `DescribeRequest`."""
        asked = decode_request(request)
        assert isinstance(asked, DescribeRequest)
        try:
            found = self._runner.describe(asked.implementations, asked.cases, asked.tasks, asked.inputs)
        except UsageError as error:
            absent = isinstance(error, AbsentError)
            return encode_reply(Failure(error.message, hint=error.hint, refused=True, absent=absent))
        except DctbenchError as error:
            unavailable = isinstance(error, UnavailableError)
            return encode_reply(Failure(error.message, hint=error.hint, unavailable=unavailable))
        flops: list[float | None] = [found.flops[case] for case in asked.cases]
        return encode_reply(Description(dict(found.methods), flops, dict(found.tasks), found.unanswered))

    def close(self) -> None:
        """End what still runs, and remove what was written."""
        self._runner.__exit__()


def _restore_variables() -> None:
    """Undo what a cluster does to the variables that make a process faster or slower.

    Ray sets OMP_NUM_THREADS to the number of reserved cores. The process that started this one has what whoever set up
    the node wanted.
    """
    try:
        data = Path(f"/proc/{os.getppid()}/environ").read_bytes()
    except OSError:
        return
    wanted = dict(pair.split("=", 1) for pair in data.decode(errors="surrogateescape").split("\0") if "=" in pair)
    for name in (*THREAD_VARIABLES, *ALLOCATOR_VARIABLES):
        if name in wanted:
            os.environ[name] = wanted[name]
        else:
            os.environ.pop(name, None)
