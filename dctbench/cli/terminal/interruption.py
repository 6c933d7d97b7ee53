"""Treat Ctrl-C, SIGTERM and a lost terminal alike: the first ends the command, later ones are ignored."""

from __future__ import annotations

import signal
from typing import NoReturn

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupt_once() -> None:
    """Raise KeyboardInterrupt at the first of these signals, and ignore all later ones.

    A signal that is ignored already stays ignored: under `nohup` a run outlives its terminal.
    """
    for number in _ENDINGS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def interrupt_no_more() -> None:
    """Ignore these signals from now on: the command has ended, and its exit code must not change."""
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(*_: object) -> NoReturn:
    for number in _ENDINGS:  # not SIG_IGN: Python would complain about one that arrived but was not handled yet
        signal.signal(number, _ignore)
    raise KeyboardInterrupt


def _ignore(*_: object) -> None:
    return
