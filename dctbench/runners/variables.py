"""The environment variables of processes that run measured code: without secrets and without the channels of a CI."""

from __future__ import annotations

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


def inherited(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a worker may inherit. A layer does not need the others to be measured."""
    return {
        name: value for name, value in variables.items() if name not in _CHANNELS and _SECRET.fullmatch(name) is None
    }
