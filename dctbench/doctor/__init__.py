"""Checks whether this machine is fit to measure on and whether dctbench works here, each with a remedy.

Nothing here imports torch; a worker reports what only torch knows.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence

from dctbench.doctor import ceilings, gpu, lock, machine, place, torch_build
from dctbench.doctor.finding import Finding, State
from dctbench.protocol import InspectRequest, TorchReply
from dctbench.runners.local import LocalRunner
from dctbench.store import MissingError, open_store

__all__ = ["Finding", "State", "exit_code", "groups"]

INSPECT_TIMEOUT = 120.0


def groups(
    runner: LocalRunner, location: str, *, suite: str | None = None, calibrate: bool, announce: Callable[[str], None]
) -> Iterator[tuple[str, list[Finding]]]:
    """Yield the title and the findings of every group of checks, each as soon as it is known.

    Args:
        runner: the runner whose workers and environment are checked.
        location: the location of the store.
        suite: that whose variables the runner sets, or None if it sets none.
        calibrate: measure the ceilings now and store them instead of looking them up.
        announce: called with a short message before a step that takes long.

    Raises:
        StoreError: if the ceilings cannot be stored.
        CalibrationError: if the ceilings cannot be measured.
    """
    facts = runner.environment.facts
    yield "Machine", [*machine.findings(facts), lock.finding()]
    reply = runner.ask(InspectRequest(), TorchReply, INSPECT_TIMEOUT)
    yield "torch", torch_build.findings(reply, facts)
    torch = reply.torch if isinstance(reply, TorchReply) else {}
    yield "GPU", gpu.findings(torch, runner.variables)
    results = place.findings(location)
    yield "Results", [*results, place.terminal(sys.stdout, os.environ)]
    if not torch or exit_code(results):
        return
    gpus = [f"cuda:{number}" for number in range(len(torch["gpus"]))]
    devices = ["cpu", *(gpu for gpu in gpus if "unusable" not in torch["kernels"].get(gpu, {}))]
    yield "Ceilings", _ceilings(runner, location, devices, suite, calibrate, announce)


def exit_code(findings: Sequence[Finding]) -> int:
    """Return the exit code of the first failure, or 0."""
    return next((finding.exit_code for finding in findings if finding.state == "failure"), 0)


def _ceilings(
    runner: LocalRunner,
    location: str,
    devices: Sequence[str],
    suite: str | None,
    calibrate: bool,
    announce: Callable[[str], None],
) -> list[Finding]:
    fingerprint = runner.environment.fingerprint
    if not calibrate:
        try:
            with open_store(location) as store:
                known = store.calibrations(fingerprint)
        except MissingError:
            known = {}
        return [ceilings.ceilings(device, known.get(device), suite) for device in devices]
    found = []
    with open_store(location, create=True) as store:
        for device in devices:
            announce(f"measuring the ceilings of {device}, about half a minute ...")
            measured = ceilings.calibrate(runner, device)
            store.add_calibration(fingerprint, measured)
            found += [ceilings.ceilings(device, measured, suite), *ceilings.rates(measured)]
    return found
