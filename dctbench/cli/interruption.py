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
    """The command has ended and says so: none of these signals changes that any more."""
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(*_: object) -> NoReturn:
    interrupt_no_more()
    raise KeyboardInterrupt
