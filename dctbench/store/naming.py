"""Names of runs: labels and baseline names, and which run an id, a name or `latest` refers to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dctbench.errors import UsageError

MAX_NAME = 200
MIN_ID_DIGITS = 4
"""The shortest prefix of an id that refers to its run."""


def clean_label(label: str) -> str:
    """Return a label without control characters and of at most 200 characters, safe for terminals and pages."""
    return "".join(char for char in label if char.isprintable())[:MAX_NAME].strip()


def checked_baseline_name(name: str) -> str:
    """Return the name unchanged when a baseline may have it. Users type it again later, so it is never cleaned.

    Raises:
        UsageError: when the name is empty or too long, contains control characters, begins or ends with a space, or
            already refers to a run, such as `latest~1`.
    """
    if not name:
        problem = "is empty"
    elif len(name) > MAX_NAME:
        problem = f"has {len(name)} characters, more than {MAX_NAME}"
    elif not name.isprintable():
        problem = "contains characters that cannot be printed"
    elif name != name.strip():
        problem = "begins or ends with a space"
    elif name.partition("~")[0] == "latest":
        problem = "is reserved for the latest runs"
    else:
        return name
    shown = name if len(name) <= MAX_NAME else f"{name[:40]}..."
    raise UsageError(f"the baseline's name {shown!r} {problem}", hint="choose a name such as main or release-1.2")


def find_run_id(
    known: Sequence[tuple[str, str | None]], reference: str, run_of_baseline: Callable[[str], str | None]
) -> str | None:
    """Return the id of the run that a reference means, or None when it means none.

    The reference is tried as an id, as `latest`, as a label and as a baseline, in this order.

    Args:
        known: id and label of every run, in the order of arrival.
        reference: an id or a unique prefix of at least four digits, `latest`, `latest~N`, a label (its last run) or
            the name of a baseline.
        run_of_baseline: returns the id of the run that a baseline points to, or None when there is no such baseline.

    Raises:
        UsageError: when `latest~N` goes back beyond the oldest run, or several ids have the prefix.
    """
    word, tilde, back = reference.partition("~")
    if word == "latest" and (not tilde or (back.isascii() and back.isdigit())):
        steps = int(back[:9]) if tilde else 0
        if steps >= len(known):
            raise UsageError(f"no run {reference!r}: the store holds {len(known)}", hint="see dctbench list runs")
        return known[-1 - steps][0]
    matching = [id for id, _ in known if id.startswith(reference)] if len(reference) >= MIN_ID_DIGITS else []
    if len(matching) == 1 or reference in matching:
        return reference if reference in matching else matching[0]
    labelled = [id for id, label in known if label == reference]
    if labelled:
        return labelled[-1]
    named = run_of_baseline(reference)
    if named is None and matching:
        raise UsageError(f"the ids of {len(matching)} runs start with {reference!r}", hint="give more digits of the id")
    return named
