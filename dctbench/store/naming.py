"""What a run may be called, and which run a name means: labels, baselines, ids and `latest`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dctbench.errors import UsageError

MAX_NAME = 200
MIN_ID_DIGITS = 4
"""From so many digits on the start of an id stands for it."""


def clean_label(label: str) -> str:
    """A label without control characters, at most 200 characters: it goes to terminals and pages."""
    return "".join(char for char in label if char.isprintable())[:MAX_NAME].strip()


def checked_baseline_name(name: str) -> str:
    """The name itself, when a baseline may bear it. It is typed again later, so that nothing in it is left out.

    Raises:
        UsageError: for an empty or long one, one with control characters or a space at an end, or one that means
            a run already, such as latest~1.
    """
    if not name:
        problem = "is empty"
    elif len(name) > MAX_NAME:
        problem = f"has {len(name)} characters, more than {MAX_NAME}"
    elif not name.isprintable():
        problem = "holds characters that cannot be printed"
    elif name != name.strip():
        problem = "begins or ends with a space"
    elif name.partition("~")[0] == "latest":
        problem = "would mean the latest runs"
    else:
        return name
    shown = name if len(name) <= MAX_NAME else f"{name[:40]}..."
    raise UsageError(f"the baseline's name {shown!r} {problem}", hint="name it such as main or release-1.2")


def find_run_id(
    known: Sequence[tuple[str, str | None]], reference: str, run_of_baseline: Callable[[str], str | None]
) -> str | None:
    """The id of the run that a reference means by id, `latest`, label or baseline, in this order; None where by none.

    Args:
        known: id and label of every run, the oldest first.
        reference: an id or a unique start of one (from four digits on), latest, latest~N, a label (its newest run),
            or a baseline's name.
        run_of_baseline: the id of the run that a baseline points to, or None where there is no such name.

    Raises:
        UsageError: for steps back beyond the oldest run, or several ids that start so.
    """
    word, tilde, back = reference.partition("~")
    if word == "latest" and (not tilde or (back.isascii() and back.isdigit())):
        steps = int(back[:9]) if tilde else 0
        if steps >= len(known):
            raise UsageError(f"no run {reference!r}: the store holds {len(known)}", hint="see dctbench list runs")
        return known[-1 - steps][0]
    starting = [id for id, _ in known if id.startswith(reference)] if len(reference) >= MIN_ID_DIGITS else []
    if len(starting) == 1 or reference in starting:
        return reference if reference in starting else starting[0]
    labelled = [id for id, label in known if label == reference]
    if labelled:
        return labelled[-1]
    named = run_of_baseline(reference)
    if named is None and starting:
        raise UsageError(f"{len(starting)} runs start with {reference!r}", hint="give more digits of the id")
    return named
