"""Control groups of the kernel that tests make."""

from __future__ import annotations

import time
from pathlib import Path

SECONDS = 30


def remove_group(folder: Path) -> None:
    """Remove a cgroup. Its processes have ended; the last of them leaves it a moment later."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            folder.rmdir()
            return
        except OSError:
            assert time.monotonic() < deadline, (folder / "cgroup.procs").read_text()
            time.sleep(0.05)
