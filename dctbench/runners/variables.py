"""The environment variables of processes that run measured code: no secrets, no channels of a CI, and a padding."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

_CHANNELS = frozenset({"DCTBENCH_STORE", "GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE",
                       "GITHUB_STEP_SUMMARY", "SSH_AUTH_SOCK"})  # fmt: skip
"""Names of a store, of files that change later steps of a GitHub job, and of an agent that signs."""
_SECRET = re.compile(
    r"(?i)AWS_.*|PGPASSWORD|PGPASSFILE|PGSSLPASSWORD|MYSQL_PWD|DATABASE_URL|"
    r"(?:.*_)?(?:TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET|SECRETS|CREDENTIALS|API_?KEY|ACCESS_KEY|PRIVATE_KEY)(?:_.*)?"
)
"""Names that by convention hold a secret. `TOKENIZERS_PARALLELISM` and the like are not among them."""


PADDING = "DCTBENCH_PADDING"
"""A variable without a meaning. Its length shifts the stack of a process, and so the alignment of what lies there."""
_LONGEST = 4096
"""Bytes: a page. Layouts repeat beyond that."""


def padded(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for one process, with a padding of random length.

    The size of the environment moves the stack, which alone can change a time by percents (Mytkowicz et al., ASPLOS
    2009). Two sides whose environments differ in size would keep such a difference in every pair. With a padding of
    their own, processes sample many layouts.
    """
    return {**variables, PADDING: "x" * random.SystemRandom().randrange(_LONGEST)}


def inherited(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a worker may inherit. A layer does not need the others to be measured."""
    return {
        name: value for name, value in variables.items() if name not in _CHANNELS and _SECRET.fullmatch(name) is None
    }
