"""The zygote imports torch once and forks a child per case, which takes milliseconds instead of a second.

Forking is safe because no torch operation has run here, so there is no thread pool whose locks a child would inherit
without the threads. The zygote checks this: if it has a second thread it reports that and ends, and cases get fresh
processes instead. A zygote serves one round, since all its children have the same memory layout, which is one sample.
"""

from __future__ import annotations

import gc
import os
import random
import socket
from pathlib import Path

from dctbench import catalog
from dctbench.protocol import COMPILER
from dctbench.worker import serve, supervisor

_MESSAGE = 64


def main(argv: list[str]) -> None:
    """Fork children on request over a socket until it closes.

    Each message carries two descriptors: the channel of the child and the file for its output. The zygote replies with
    two lines: `pid N` at once, and `exit CODE COUNT` when the child has ended. A negative CODE is the signal that ended
    it. COUNT is the number of processes that the child left behind and that were ended.

    Args:
        argv: the descriptor of the socket. If the word COMPILER follows, torch's compiler is imported for the children
            too.
    """
    supervisor.adopt_orphans()
    with socket.socket(fileno=int(argv[0])) as control:
        control.set_inheritable(False)
        _preload(compiler=COMPILER in argv[1:])
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
            count = supervisor.end_descendants(child)
            control.sendall(f"exit {os.waitstatus_to_exitcode(status)} {count}\n".encode())
            if supervisor.has_children():  # a process that survived SIGKILL must not count for the next case
                return


def _preload(*, compiler: bool) -> None:
    """Import what every case needs. Imports must not run any computation."""
    import dctbench.worker.measure  # noqa: F401

    for entry in catalog.IMPLEMENTATIONS.values():
        entry.load()
    catalog.DEVICES["cpu"].load()
    if compiler:
        import torch._dynamo  # noqa: F401
    gc.collect()
    gc.freeze()  # else a collection in a child would touch, and so copy, the pages of all modules


def _become_worker(control: socket.socket, channel: int, output: int) -> None:
    """Turn the forked child into a worker with its own session and output file. This never returns."""
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
    finally:  # the child must never continue as a second zygote
        os._exit(1)
