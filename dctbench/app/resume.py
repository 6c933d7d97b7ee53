"""A run that a signal may end at any moment, and that its user can always go on with."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from dctbench import errors
from dctbench.model import Run, digest
from dctbench.runners.locks import Lock
from dctbench.store import Store, is_url, open_for_run

DEFAULT_STORE = ".dctbench/results.sqlite"


class Resumable:
    """The store of one run, for as long as this process is the one that measures it."""

    def __init__(self, stack: ExitStack, warn: Callable[[str], None]) -> None:
        self._stack = stack
        self._warn = warn
        self._store: Store | None = None
        self._run: Run | None = None
        self._baseline: str | None = None
        self._flags: Sequence[str] = ()

    def open(self, location: str, *, create: bool = False) -> Store:
        """The store, which is closed at the end."""
        self._store = self._stack.enter_context(open_for_run(location, self._warn, create=create))
        return self._store

    def claim(self, run: Run, baseline: str | None = None, flags: Sequence[str] = ()) -> None:
        """Take a run of the open store for this process; with everything measured it is to be saved as that baseline.

        Args:
            run: stored already, or about to be.
            baseline: a name, or None for no baseline.
            flags: what else must be typed to go on with it, ready for a shell.

        Raises:
            UsageError: when another process of this machine measures it.
        """
        assert self._store is not None
        place = self._store.name if is_url(self._store.name) else os.path.realpath(self._store.name)
        lock = Lock(f"run-{digest([place, run.id])}")  # shards of one run in stores of their own may run together
        if not lock.take():
            holder = lock.holder
            lock.release()
            raise errors.UsageError(
                f"run {run.short_id} is being measured by {holder}",
                hint="wait until that has ended, or end it; then resume",
            )
        self._stack.callback(lock.release, remove=True)
        self._run = run
        self._baseline = baseline
        self._flags = flags

    def interrupted(self) -> errors.InterruptedRunError:
        """What was stored, and how to go on."""
        if self._store is not None and self._run is not None:
            run = self._run
            for state in self._store.runs():
                if state.run.id == run.id:
                    unsaved, wanted = "", list(self._flags)
                    if self._baseline is not None:
                        unsaved = f"; baseline {self._baseline!r} was not saved"
                        wanted += ["--save-baseline", shlex.quote(self._baseline)]
                    return errors.InterruptedRunError(
                        f"interrupted: {state.stored} of {state.planned} results are stored in {self._store.name}"
                        f"{unsaved}",
                        hint=f"go on with: {resume_command(run, self._store.name, wanted)}",
                    )
        return errors.InterruptedRunError("interrupted before anything was measured")


def resume_command(run: Run, store: str, flags: Sequence[str] = ()) -> str:
    """What to type to go on with a run.

    Args:
        run: of that store.
        store: its path, or its URL without the password.
        flags: more that must be typed, ready for a shell.
    """
    place = [] if store == DEFAULT_STORE else ["--store", shlex.quote(store)]
    return " ".join(["dctbench run --resume", run.short_id, *flags, *place])


@contextmanager
def resumable(warn: Callable[[str], None]) -> Iterator[Resumable]:
    """For the time of one run.

    Raises:
        InterruptedRunError: in place of KeyboardInterrupt.
    """
    with ExitStack() as stack:
        begun = Resumable(stack, warn)
        try:
            yield begun
        except KeyboardInterrupt:
            raise begun.interrupted() from None
