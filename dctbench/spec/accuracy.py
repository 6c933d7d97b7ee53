"""Accuracies as users type them: `mnist1d=sdpa-2pt`, `mnist1d=90%`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dctbench import catalog
from dctbench.analysis.accuracy import MARGIN
from dctbench.analysis.floors import AccuracyFloor
from dctbench.analysis.reference import REFERENCE
from dctbench.catalog.tasks import select_tasks
from dctbench.errors import UsageError
from dctbench.spec.axes import words
from dctbench.text.format import shorten
from dctbench.text.parse import parse_points, parse_share

_BELOW = re.compile(r"(?P<reference>.+?)-(?P<points>[0-9][0-9.]* ?pt)", re.ASCII)


def parse_floors(texts: Sequence[str], tasks: Sequence[str] = ()) -> tuple[AccuracyFloor, ...]:
    """Return the floors of `--min-accuracy` and, for each task of `--task` without one, two points below sdpa.

    Raises:
        UsageError: for a wrong value; the message names its flag.
    """
    floors = [_floor(text) for text in texts]
    named = {floor.task for floor in floors}
    wanted = words("task", tasks) if tasks else []
    return (*floors, *(AccuracyFloor(task, REFERENCE, MARGIN) for task in wanted if task not in named))


def _floor(text: str) -> AccuracyFloor:
    flag = "--min-accuracy"
    task, equals, amount = (word.strip() for word in text.partition("="))
    if not equals or not task or not amount:
        raise UsageError(f"{flag} {shorten(text)!r}: not TASK=ACCURACY", hint=f"such as {flag} mnist1d=sdpa-2pt")
    [name] = _single(task, select_tasks([task]), flag)
    below = _BELOW.fullmatch(amount)
    if below:
        [reference] = _single(amount, catalog.select_implementations([below["reference"]]), flag)
        if catalog.implementation(reference).uses_ratio:
            raise UsageError(
                f"{flag} {shorten(text)!r}: {reference} has an accuracy for each number that it keeps",
                hint=f"name a method that keeps everything, such as {flag} {task}={REFERENCE}-{below['points']}, or an "
                f"accuracy, such as {flag} {task}=90%",
            )
        return AccuracyFloor(name, reference, parse_points(below["points"], flag))
    share = parse_share(amount, flag)
    if share > 1:
        raise UsageError(f"{flag} {shorten(text)!r}: no accuracy is above 100%", hint=f"such as {flag} {task}=90%")
    return AccuracyFloor(name, None, share)


def _single(typed: str, found: Sequence[str], flag: str) -> Sequence[str]:
    if len(found) != 1:
        raise UsageError(
            f"{flag} {shorten(typed)!r}: names {len(found)} of them", hint="name one; the flag may be repeated"
        )
    return found
