"""The runner of a request: this machine, or the nodes of a cluster. Another kind of cluster is one more line here."""

from __future__ import annotations

from collections.abc import Sequence

from dctbench.app.requests import Where
from dctbench.model import RunSettings
from dctbench.runners import Runner
from dctbench.runners.local import LocalRunner, LocalSettings
from dctbench.scheduler.events import Listener, Notice

WAIT_SECONDS = 60.0
"""How long to wait for nodes of a cluster that are free."""


def open_runner(where: Where, settings: RunSettings, devices: Sequence[str], listener: Listener) -> Runner:
    """Return the runner for a run with these settings. Use it as a context manager.

    Args:
        where: on which machines.
        settings: of the run.
        devices: of its cases.
        listener: called with notices about locks and nodes.

    Raises:
        UnavailableError: when a cluster cannot be used.
    """
    if where.runner == "local":
        return local_runner(settings, listener)
    from dctbench.runners.ray import RayRunner, RaySettings  # noqa: PLC0415 - few runs need a cluster

    seconds = WAIT_SECONDS if where.timeout is None else where.timeout
    cluster = RaySettings(where.address or "auto", devices, seconds, where.require_same_cpu)
    return RayRunner(_local(settings), cluster, lambda text: listener(Notice(text)))


def local_runner(settings: RunSettings, listener: Listener) -> LocalRunner:
    """Return the runner of this machine, for a run with these settings."""
    return LocalRunner(_local(settings), on_wait=lambda text: listener(Notice(text)))


def _local(settings: RunSettings) -> LocalSettings:
    return LocalSettings(
        case_timeout=settings.case_timeout,
        env=settings.env,
        isolation=settings.isolation,
        cache=settings.cache,
        jobs=settings.jobs,
        energy=settings.energy,
        protocol=settings.protocol,
    )
