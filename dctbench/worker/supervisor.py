"""The process between a runner and what measures for it: nothing that is started below it stays behind.

On Linux whatever loses its parent below a guard becomes the guard's own child, also in a session of its own: so that
it is found, counted and ended. The end of the runner, kill -9 included, closes the guard's lifeline, and then
everything below it ends. Code that looks for the guard itself in order to kill it is not contained: it could as well
kill the runner.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import resource
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_GRACE_SECONDS = 0.5
"""In which helpers such as a compiler's workers notice the end of their case by themselves."""
_ENDING_SECONDS = 3.0
_LOOK_SECONDS = 0.01


def main(argv: list[str]) -> None:
    """Run a module of dctbench in a child of this process, and tell how it ended.

    Args:
        argv: the module's name, the number of the socket that its `main` gets, the number of the lifeline, the id of
            the process that holds the lifeline's other end, and words for the module. Over the lifeline go two
            lines: `pid N` at once, `exit CODE LEFT` when the child has ended (CODE negative: by that signal) and all
            that it left, LEFT processes, is ended too.
    """
    module, channel, lifeline, parent = argv[0], int(argv[1]), int(argv[2]), int(argv[3])
    _die(parent, signal.SIGCONT)  # one that was stopped wakes up and finds its lifeline closed
    adopt_orphans()
    _leave_no_cores()
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    guard = os.getpid()
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        for descriptor in (wake, waker, lifeline):
            os.close(descriptor)
        os.setsid()
        importlib.import_module(module).main([str(channel), str(guard), *argv[4:]])
        return
    os.close(channel)
    with socket.socket(fileno=lifeline) as line:
        _tell(line, f"pid {child}")
        code = _wait(child, line, wake)
        if code is None:
            end_descendants(child, grace=0.0)
        else:
            _tell(line, f"exit {code} {end_descendants(child)}")


def _tell(line: socket.socket, text: str) -> None:
    with suppress(OSError):  # a runner that is gone needs no telling
        line.sendall(f"{text}\n".encode())


def _wait(child: int, line: socket.socket, wake: int) -> int | None:
    """The exit code of the child, or None when the lifeline was closed before it ended."""
    while True:
        ready, _, _ = select.select([line.fileno(), wake], [], [])
        if line.fileno() in ready:
            return None
        os.read(wake, 1 << 10)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)


def _leave_no_cores() -> None:
    """A crash is a result, and no gigabytes on the disk: nor, at a limit of 1, for a program that collects cores."""
    limit = min(1, resource.getrlimit(resource.RLIMIT_CORE)[1] % (1 << 64))  # unlimited is -1
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))


def adopt_orphans() -> None:
    """From now on whatever loses its parent below this process becomes its child (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(parent: int) -> None:
    """A killed runner must not leave a case running and holding its device; the kernel sees to it on Linux."""
    _die(parent, signal.SIGKILL)


def _die(parent: int, number: signal.Signals) -> None:
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


def end_descendants(leader: int, grace: float = _GRACE_SECONDS) -> int:
    """End every process below this one, which has none but those that its child `leader` started.

    Args:
        leader: of the session that the child had; where orphans cannot be adopted only that is ended.
        grace: seconds in which they may end by themselves.

    Returns:
        How many had to be ended.
    """
    if sys.platform != "linux":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        return 0
    until = monotonic() + grace
    while has_children() and monotonic() < until:
        sleep(_LOOK_SECONDS)
    ended: set[int] = set()
    until = monotonic() + _ENDING_SECONDS
    while has_children() and monotonic() < until:
        for pid in _descendants():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                ended.add(pid)
        sleep(_LOOK_SECONDS)
    return len(ended)


def has_children() -> bool:
    """Whether this process has children still, after those that ended have been reaped."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _descendants() -> list[int]:
    """Every living process below this one, parents before their children."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):  # it has just ended
                # proc(5): the name in brackets may hold anything; state and parent follow it
                state, parent = (folder / "stat").read_bytes().rpartition(b")")[2].split()[:2]
                if state != b"Z":
                    children.setdefault(int(parent), []).append(int(folder.name))
    found = [os.getpid()]
    for pid in found:
        found += children.get(pid, [])
    return found[1:]


if __name__ == "__main__":
    main(sys.argv[1:])
