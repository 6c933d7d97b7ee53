"""A process that has imported torch once and forks one child per case: milliseconds where an import takes a second.

Forking is safe because nothing has run here: no torch operation, hence no thread pool that a child would inherit as
locks without threads. That is checked, not hoped: with a second thread the zygote says so and ends, and cases get
fresh processes instead. A zygote serves one round: its children share one memory layout, which is one sample.
"""

from __future__ import annotations

import gc
import os
import random
import socket
from pathlib import Path

from dctbench import catalog
from dctbench.model import COMPILER
from dctbench.worker import serve, supervisor

_MESSAGE = 64


def main(argv: list[str]) -> None:
    """Serve forks over the socket whose number is `argv[0]` until it closes; `argv[1]` is the parent's id.

    With the word COMPILER after them, the children find torch's compiler imported too.

    For each message that brings two descriptors, the child's channel and the file for its output, the answers are
    two lines: `pid N` at once, `exit CODE LEFT` when the child has ended (CODE negative: by that signal) and the LEFT
    processes that it left behind are ended too.
    """
    supervisor.die_with_parent(int(argv[1]))
    supervisor.adopt_orphans()
    with socket.socket(fileno=int(argv[0])) as control:
        control.set_inheritable(False)
        _preload(compiler=COMPILER in argv[2:])
        threads = len(list(Path("/proc/self/task").iterdir()))
        if threads != 1:
            control.sendall(f"threads {threads}\n".encode())
            return
        control.sendall(b"ready 1\n")
        while True:
            data, descriptors, _, _ = socket.recv_fds(control, _MESSAGE, 2)
            if not data:
                return
            child = os.fork()
            if child == 0:
                _become_worker(control, *descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            control.sendall(f"pid {child}\n".encode())
            _, status = os.waitpid(child, 0)
            left = supervisor.end_descendants(child)
            control.sendall(f"exit {os.waitstatus_to_exitcode(status)} {left}\n".encode())
            if supervisor.has_children():  # one that not even SIGKILL ends must not be laid at the next case's door
                return


def _preload(*, compiler: bool) -> None:
    """Import what every case needs; importing must not compute anything."""
    import dctbench.worker.measure  # noqa: F401

    for entry in catalog.IMPLEMENTATIONS.values():
        entry.load()
    catalog.DEVICES["cpu"].load()
    if compiler:
        import torch._dynamo  # noqa: F401
    gc.collect()
    gc.freeze()  # a collection in a child would otherwise touch, and so copy, every page of these modules


def _become_worker(control: socket.socket, channel: int, output: int) -> None:
    """In the child: a session of its own, its output in its own file, and then a worker like any other."""
    try:
        zygote = os.getppid()
        os.setsid()
        control.close()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        os.set_inheritable(channel, False)
        supervisor.die_with_parent(zygote)
        random.seed()
        serve.serve(channel)
    finally:  # whatever happens, this process never goes on as a second zygote
        os._exit(1)
