"""Check of the lock that makes runs on one device wait for each other."""

from __future__ import annotations

from dctbench.doctor.finding import Finding, failure, ok, warning
from dctbench.runners.lock_files import LockError
from dctbench.runners.locks import Lock


def finding() -> Finding:
    """Check whether a run could lock the processor, and whether another one measures on it now."""
    try:
        lock = Lock("cpu")
    except LockError as error:
        return failure("lock", error.message, error.hint or "name another folder", LockError.exit_code)
    try:
        if not lock.take():
            return warning("lock", f"{lock.holder} is measuring on this processor", "wait until it ends")
        if lock.remark:
            return warning("lock", lock.remark, "let all runs of this machine use one folder: DCTBENCH_LOCKS=FOLDER")
        return ok("lock", f"in {lock.folder}: runs on one device wait for each other, whoever starts them")
    except LockError as error:
        return failure("lock", error.message, error.hint or "name another folder", LockError.exit_code)
    finally:
        lock.release()
