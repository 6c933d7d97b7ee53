"""A run that may be interrupted at any moment, and can always be resumed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from dctbench import errors
from dctbench.app.shards import command_of_shard
from dctbench.model import Run, digest
from dctbench.runners.locks import Lock
from dctbench.runs.lookup import RecordedRun
from dctbench.scheduler.events import Listener, Notice
from dctbench.store import is_url, masked, open_for_run, store_flags

if TYPE_CHECKING:
    from dctbench.store import Store


class Session:
    """The store of one run, and the lock that makes sure that only this process measures it."""

    def __init__(self, stack: ExitStack, listener: Listener) -> None:
        self._stack = stack
        self._listener = listener
        self._store: Store | None = None
        self._run: Run | None = None
        self._baseline: str | None = None
        self._flags: Sequence[str] = ()

    def open(self, location: str, *, create: bool = False) -> Store:
        """Open the store, which is closed at the end of the session."""
        opened = open_for_run(location, lambda text: self._listener(Notice(text)), create=create)
        self._store = self._stack.enter_context(opened)
        return self._store

    def claim(self, run: Run, baseline: str | None = None, flags: Sequence[str] = ()) -> None:
        """Claim a run of the open store for this process.

        Args:
            run: stored already, or about to be.
            baseline: the name that points to the run in the end, or None.
            flags: further flags of the command that resumes it, quoted for a shell.

        Raises:
            UsageError: when another process of this machine measures it.
        """
        assert self._store is not None
        place = self._store.name if is_url(self._store.name) else os.path.realpath(self._store.name)
        # Two copies of a run in different stores may run at once, and so may two shards of it.
        lock = Lock(f"run-{digest([place, run.id, run.settings.shard])}")
        if not lock.take():
            holder = lock.holder
            lock.release()
            raise errors.UsageError(
                f"run {run.short_id} is being measured by {holder}",
                hint="wait until it ends, or stop it; then resume",
            )
        self._stack.callback(lock.release, remove=True)
        self._run = run
        self._baseline = baseline
        self._flags = flags

    @staticmethod
    def _stored(store: Store, run_id: str) -> str | None:
        """Return what is stored of a run, in words, or None if the store does not have that run."""
        try:
            store.hurry()
            state = store.progress(run_id)
        except errors.StoreError:
            return f"what was measured is stored in {store.name}, which cannot be read now"
        return None if state is None else f"{state.stored} of {state.planned} results are stored in {store.name}"

    def interrupted(self) -> errors.InterruptedRunError:
        """Return the error that says what was stored, and how to resume."""
        if self._store is not None and self._run is not None:
            stored = self._stored(self._store, self._run.id)
            if stored is not None:
                unsaved, wanted = "", list(self._flags)
                if self._baseline is not None:
                    unsaved = f"; baseline {self._baseline!r} was not saved"
                    wanted += ["--save-baseline", shlex.quote(self._baseline)]
                return errors.InterruptedRunError(
                    f"interrupted: {stored}{unsaved}",
                    hint=how_to_resume(self._run, self._store.name, wanted),
                )
        return errors.InterruptedRunError("interrupted before anything was measured")


def how_to_resume(run: Run, store: str, flags: Sequence[str] = ()) -> str:
    """Return the hint that names the command with which a run goes on.

    A shard goes on with its own command: `--resume` would also measure the other shards of the store. The failures of a
    complete one are measured again by `--resume` only.

    Args:
        run: of that store.
        store: its path, or its URL without the password.
        flags: further flags, quoted for a shell.
    """
    if run.settings.shard is not None and "--retry-failed" not in flags:
        return f"continue the shard with: {command_of_shard(run)}"
    command = " ".join(["dctbench run --resume", run.short_id, *flags, *map(shlex.quote, store_flags(store))])
    return f"resume it with: {command}"


def how_to_measure(recorded: RecordedRun, store: str) -> str:
    """Return how to get results of a run of that store, or of a file, that has none."""
    if recorded.run.is_check:
        return "it belongs to a check, whose pairs must be near in time: start the check again"
    if not recorded.plan:  # of a file, which has no plan to resume
        return "measure again: dctbench run"
    return how_to_resume(recorded.run, masked(store))


@contextmanager
def session(listener: Listener) -> Iterator[Session]:
    """Open a session for one run. Its store and its lock are released at the end.

    Raises:
        InterruptedRunError: in place of KeyboardInterrupt.
    """
    with ExitStack() as stack:
        current = Session(stack, listener)
        try:
            yield current
        except KeyboardInterrupt:
            raise current.interrupted() from None
