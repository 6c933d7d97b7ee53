"""The one place that creates a run."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence

from dctbench import __version__
from dctbench.model import Run, RunSettings
from dctbench.store import masked
from dctbench.text.sanitize import sanitize_text


def new_run(
    suite: str, settings: RunSettings, label: str | None, command: Sequence[str], version: str = __version__
) -> Run:
    """Return a run that starts now, with an id of its own.

    Args:
        suite: name of the suite.
        settings: how its cases are measured.
        label: a name for it, or None.
        command: the words that were typed. Passwords in URLs and control characters are left out.
        version: of the dctbench that is measured, which may be another one on the base side of a check.
    """
    return Run(
        id=uuid.uuid4().hex[:16],
        label=label,
        suite=suite,
        argv=tuple(sanitize_text(masked(word)) for word in command),
        started_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds"),
        dctbench_version=version,
        settings=settings,
    )
