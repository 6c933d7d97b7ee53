"""A program that ends at every point at which a sweep changes a disk, each time in a folder of its own.

It runs with `crash_points.c` preloaded, and forks a process per point. `python -m tests.reliability.crashing LIBRARY
FOLDER` leaves one folder per point, with the store, the acknowledgements in `told`, and the page; the last process ran
to its end.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import sys
import traceback
from pathlib import Path

from dctbench.cli.terminal.files import write_whole
from dctbench.model import Case, Result
from dctbench.page.assets import MARK
from dctbench.scheduler.events import CaseFinished, Event
from dctbench.scheduler.specs import Specs
from dctbench.scheduler.sweep import run_sweep
from dctbench.store import open_store
from tests.support.made import RUN, result
from tests.support.scripted import Scripted

CASES = [Case("sdpa", 64), Case("dct-x", 64, 4.0)]
ROUNDS = 2
PLAN = [CASES] * ROUNDS
OLD, NEW = (f"<!doctype html>\n<title>{word} · dctbench</title>\n<style>{word * 5000}" for word in ("old ", "new "))


def measured(case: Case, round: int) -> Result:
    """The result that a case always has."""
    return result(case.implementation, case.seq_len, 1e-3, ratio=case.ratio, round=round)


def told(case: Case, round: int) -> str:
    """The acknowledgement of a result."""
    return f"{case.id} {round}\n"


def sweep(folder: Path) -> None:
    """Create a store, measure a run, acknowledge each result, save a baseline, and replace a page."""
    with (folder / "told").open("wb", buffering=0) as acknowledged:

        def listen(event: Event) -> None:
            if isinstance(event, CaseFinished):
                acknowledged.write(told(event.result.case, event.result.round).encode())

        with open_store(str(folder / "results.sqlite"), create=True) as store:
            store.add_run(RUN, CASES, ROUNDS)
            run_sweep(RUN, PLAN, Scripted(measured), store, listen, Specs())
            store.save_baseline("main", RUN.id)
    write_whole(folder / "page.html", NEW, MARK)


def main(library: str, folder: Path) -> None:
    """Crash at one point after the other until there are no more."""
    arm = ctypes.CDLL(library).arm
    for number in itertools.count():  # the first is not armed, and warms the caches that the others inherit
        place = folder / f"{number:04}"
        place.mkdir()
        (place / "page.html").write_text(OLD, encoding="utf-8")
        if number == 0:
            sweep(place)
            continue
        child = os.fork()
        if child == 0:
            try:
                arm(number)
                sweep(place)
                os._exit(0)
            finally:
                traceback.print_exc()
                os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != -signal.SIGKILL:
            sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
