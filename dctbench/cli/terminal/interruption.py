"""Ctrl-C, a polite kill and a lost terminal, taken alike: the first ends the command, later ones cannot spoil it."""

from __future__ import annotations

import signal
from typing import NoReturn

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupt_once() -> None:
    """From now on the first of these signals raises KeyboardInterrupt, and the others are ignored until the end.

    One that is ignored already stays so: after `nohup` a run outlives its terminal.
    """
    for number in _ENDINGS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def interrupt_no_more() -> None:
    """The command has ended: none of these signals changes its exit code any more, nor while the interpreter ends."""
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(*_: object) -> NoReturn:
    for number in _ENDINGS:  # not SIG_IGN: of one that has come but was not handled yet Python would complain
        signal.signal(number, _overheard)
    raise KeyboardInterrupt


def _overheard(*_: object) -> None:
    return
