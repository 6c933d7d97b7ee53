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
_OLDEST = (3, 11)
"""As `requires-python` in pyproject.toml."""
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
        _require_version(python, path, variables)
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise UsageError(f"--base-python {python}: it has no usable dctbench ({last})", hint=_install_hint(python))
    raise UsageError(
        f"--base-python {python}: its dctbench {facts['version']} uses protocol {protocol}, "
        f"this one uses protocol {PROTOCOL}",
        hint="compare versions with the same protocol, or compare stored runs: dctbench check --baseline",
    )


def _require_version(python: str, path: str, variables: Mapping[str, str]) -> None:
    """Refuse an interpreter that is too old to run dctbench. It does not know the option -P, and says only that.

    Raises:
        UsageError: naming its version.
    """
    asked = [path, "-I", "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        done = subprocess.run(
            asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False,
            env=dict(variables),
        )  # fmt: skip
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return
    found = [int(word) for word in done.stdout.split() if word.isdecimal()]
    if len(found) == 2 and tuple(found) < _OLDEST:
        oldest, version = (".".join(map(str, one)) for one in (_OLDEST, found))
        raise UsageError(
            f"--base-python {python}: it is Python {version}, and dctbench needs {oldest} or later",
            hint=f"install dctbench and the base version of the measured code for Python {oldest} or later",
        )


def _install_hint(python: str) -> str:
    return f"install dctbench and the base version of the measured code there: {python} -m pip install ..."
