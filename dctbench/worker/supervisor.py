"""The supervisor runs between a runner and its worker or zygote, and ends every process that they leave behind.

On Linux an orphan below the supervisor becomes its child, even in another session, so the supervisor finds, counts and
ends it. The lifeline is a socket shared with the runner. When the runner ends, even by SIGKILL, the socket closes and
the supervisor ends everything below it. Code that kills the supervisor itself is not contained; it could also kill the
runner.
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
"""The time in which helpers such as a compiler's workers may end by themselves."""
_ENDING_SECONDS = 3.0
_LOOK_SECONDS = 0.01


def main(argv: list[str]) -> None:
    """Run a module of dctbench in a child process and report its end.

    The supervisor writes two lines to the lifeline: `pid N` at once, and `exit CODE COUNT` when the child has ended. A
    negative CODE is the signal that ended it. COUNT is the number of processes that the child left behind and that
    were ended.

    Args:
        argv: the name of the module, the descriptor of the socket that its `main` gets, the descriptor of the lifeline,
            the id of the process at its other end, and further arguments for the `main` of the module.
    """
    module, channel, lifeline, parent = argv[0], int(argv[1]), int(argv[2]), int(argv[3])
    _signal_when_parent_dies(parent, signal.SIGCONT)  # a stopped supervisor wakes up and sees its lifeline closed
    adopt_orphans()
    _disable_core_dumps()
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    supervisor = os.getpid()
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = os.fork()
    if child == 0:
        die_with_parent(supervisor)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        for descriptor in (wake, waker, lifeline):
            os.close(descriptor)
        os.setsid()
        importlib.import_module(module).main([str(channel), *argv[4:]])
        return
    os.close(channel)
    with socket.socket(fileno=lifeline) as runner:
        _report(runner, f"pid {child}")
        code = _wait(child, runner, wake)
        if code is None:
            end_descendants(child, grace=0.0)
        else:
            _report(runner, f"exit {code} {end_descendants(child)}")


def _report(runner: socket.socket, text: str) -> None:
    with suppress(OSError):  # the runner may be gone
        runner.sendall(f"{text}\n".encode())


def _wait(child: int, runner: socket.socket, wake: int) -> int | None:
    """Wait for the child and return its exit code, or None if the lifeline closes first."""
    while True:
        ready, _, _ = select.select([runner.fileno(), wake], [], [])
        if runner.fileno() in ready:
            return None
        os.read(wake, 1 << 10)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)


def _disable_core_dumps() -> None:
    """Set the limit of core dumps to 1 byte, so that a crash writes no gigabytes to the disk.

    At a limit of 1, unlike 0, Linux does not start a program that collects core dumps either (fs/coredump.c).
    """
    limit = min(1, resource.getrlimit(resource.RLIMIT_CORE)[1] % (1 << 64))  # unlimited is -1
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))


def adopt_orphans() -> None:
    """Make this process the parent of every orphan below it (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent dies, so that no case keeps running (Linux only)."""
    _signal_when_parent_dies(parent, signal.SIGKILL)


def _signal_when_parent_dies(parent: int, number: signal.Signals) -> None:
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # the parent died before the call above
        os._exit(1)


def end_descendants(leader: int, grace: float = _GRACE_SECONDS) -> int:
    """End every process below this one; all of them were started by its child `leader`.

    Args:
        leader: the leader of the child's session. On systems without orphan adoption only this session is ended.
        grace: the seconds in which processes may end by themselves.

    Returns:
        The number of processes that had to be ended.
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
    """Reap the children that have ended, and return whether any is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _descendants() -> list[int]:
    """Return all living processes below this one, parents before their children."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):  # the process has just ended
                # proc(5): the name in parentheses may contain anything; state and parent follow it
                state, parent = (folder / "stat").read_bytes().rpartition(b")")[2].split()[:2]
                if state != b"Z":
                    children.setdefault(int(parent), []).append(int(folder.name))
    found = [os.getpid()]
    for pid in found:
        found += children.get(pid, [])
    return found[1:]


if __name__ == "__main__":
    main(sys.argv[1:])
