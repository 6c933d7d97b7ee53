"""The interpreter of another environment, where the base of a check is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping

from dctbench.errors import UsageError
from dctbench.model import Environment
from dctbench.protocol import PROTOCOL

_SECONDS = 120.0
_PATH_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


def other_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables without those that lead another interpreter to the packages of this one.

    A PYTHONPATH with the code of head would make base run the same code, and the check would find no difference.
    """
    return {name: value for name, value in variables.items() if name not in _PATH_VARIABLES}


def program(python: str) -> str:
    """Return the path of the program that --base-python names.

    Raises:
        UsageError: when there is none.
    """
    path = shutil.which(python)
    if path is None:
        raise UsageError(
            f"--base-python {python!r}: no such program",
            hint="give the path of an interpreter, such as other-env/bin/python",
        )
    return path


def interpreter(python: str, variables: Mapping[str, str]) -> tuple[Environment, str | None, str]:
    """Return the environment of an interpreter, and the version and the folder of the dctbench that it imports.

    Raises:
        UsageError: when it cannot be run, has no dctbench, or has one with another protocol version.
    """
    path = program(python)
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
        facts = json.loads(done.stdout.strip().splitlines()[-1]) if done.returncode == 0 else None
        protocol = facts["protocol"] if facts else None
        if facts and protocol == PROTOCOL:
            return Environment(facts["facts"], facts["fingerprint"]), facts["version"], facts["package"]
    except (OSError, ValueError, LookupError, TypeError, subprocess.TimeoutExpired) as error:
        raise UsageError(
            f"--base-python {python}: it is not a Python with dctbench ({type(error).__name__})",
            hint=_install_hint(python),
        ) from None
    if facts is None:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise UsageError(f"--base-python {python}: it has no usable dctbench ({last})", hint=_install_hint(python))
    raise UsageError(
        f"--base-python {python}: its dctbench {facts['version']} uses protocol {protocol}, "
        f"this one uses protocol {PROTOCOL}",
        hint="compare versions with the same protocol, or compare stored runs: dctbench check --baseline",
    )


def _install_hint(python: str) -> str:
    return f"install dctbench and the base version of the measured code there: {python} -m pip install ..."
