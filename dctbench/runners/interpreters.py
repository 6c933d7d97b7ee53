"""Another Python, in whose environment the base of a gate is installed: what it is, and whether it can be talked to."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping

from dctbench.errors import UsageError
from dctbench.model import PROTOCOL, Environment

_SECONDS = 120.0
_OF_THIS_ENVIRONMENT = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


def other_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment variables for another interpreter: without those that would lead it to this one's packages.

    A PYTHONPATH that names head's code would make base the same code, and a gate that finds no difference.
    """
    return {name: value for name, value in variables.items() if name not in _OF_THIS_ENVIRONMENT}


def interpreter(python: str, variables: Mapping[str, str]) -> tuple[Environment, str | None, str]:
    """The environment of an interpreter, and the version and folder of the dctbench that it imports.

    Raises:
        UsageError: when it cannot be run, has no dctbench, or one that speaks another protocol.
    """
    path = shutil.which(python)
    if path is None:
        raise UsageError(f"--base-python {python}: no such program", hint="name the interpreter: other-env/bin/python")
    try:
        done = subprocess.run(
            [path, "-P", "-m", "dctbench.machine.environment"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env=dict(variables),
        )
        said = json.loads(done.stdout.strip().splitlines()[-1]) if done.returncode == 0 else None
        known = said["protocol"] if said else None
        if said and known == PROTOCOL:
            return Environment(said["facts"], said["fingerprint"]), said["version"], said["package"]
    except (OSError, ValueError, LookupError, TypeError, subprocess.TimeoutExpired) as error:
        raise UsageError(
            f"--base-python {python}: it does not answer as a Python with dctbench does ({type(error).__name__})",
            hint=_install(python),
        ) from None
    if said is None:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise UsageError(f"--base-python {python}: no usable dctbench there ({last})", hint=_install(python))
    raise UsageError(
        f"--base-python {python}: its dctbench {said['version']} speaks protocol {known}, this one {PROTOCOL}",
        hint="compare versions that are nearer to each other, or stored runs: dctbench check --baseline",
    )


def _install(python: str) -> str:
    return f"install there both dctbench and the base version of what is measured: {python} -m pip install ..."
