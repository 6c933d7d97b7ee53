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
    local = LocalSettings(
        case_timeout=settings.case_timeout,
        env=settings.env,
        isolation=settings.isolation,
        cache=settings.cache,
        jobs=settings.jobs,
        energy=settings.energy,
    )

    def notice(text: str) -> None:
        listener(Notice(text))

    if where.runner == "local":
        return LocalRunner(local, on_wait=notice)
    from dctbench.runners.ray import RayRunner, RaySettings  # noqa: PLC0415 - few runs need a cluster

    seconds = WAIT_SECONDS if where.timeout is None else where.timeout
    return RayRunner(local, RaySettings(where.address or "auto", devices, seconds, where.require_same_cpu), notice)
