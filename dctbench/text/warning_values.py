"""Warnings that a file or a measured process states: read as codes whose values have the types that wording needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from dctbench.model import CaseWarning, WarningCode
from dctbench.text.sanitize import sanitize_text, sanitize_values
from dctbench.text.untrusted import Free, InvalidDataError, Name, Number, Text, converted

_Words = Annotated[list[Text], Meta(max_length=1000)]
_Count = Annotated[int, Meta(ge=0, le=1 << 30)]
_NEEDED: Mapping[WarningCode, tuple[str, ...]] = {
    WarningCode.TEXT: ("message",),
    WarningCode.SPREAD: ("spread",),
    WarningCode.DRIFT: ("drift",),
    WarningCode.DISTURBED: ("reason",),
    WarningCode.OTHER_PROCESSES: ("cores", "of_cores", "names"),
    WarningCode.STOLEN_TIME: ("share",),
    WarningCode.CPU_THROTTLED: ("quota", "periods", "stopped", "seconds"),
    WarningCode.GOVERNOR: ("governor",),
    WarningCode.CLOCKS_UNKNOWN: ("reason",),
    WarningCode.THROTTLED: ("reasons",),
    WarningCode.GPU_SHARED: ("processes",),
    WarningCode.LAUNCH_BOUND: ("share",),
    WarningCode.NOT_MEASURED: ("metric", "reason"),
    WarningCode.NO_SHARED_WEIGHTS: (),
    WarningCode.OTHER_MACHINE: ("rounds",),
    WarningCode.NO_EFFECT: (),
    WarningCode.RANKS_SHARE_CORES: ("ranks", "of_cores"),
    WarningCode.LEFT_BEHIND: ("processes",),
    WarningCode.FLOPS_DIFFER: ("counted", "stated"),
}


class WarningRecord(Struct, forbid_unknown_fields=True):
    """A warning as JSON has it; `message` is for readers that do not know the code."""

    code: Name
    message: Text = ""
    values: Free = {}


class _Values(Struct):
    """The types of all values; each code needs some of them."""

    message: Text | UnsetType = UNSET
    spread: Number | UnsetType = UNSET
    drift: Number | UnsetType = UNSET
    reason: Text | UnsetType = UNSET
    counted: Number | UnsetType = UNSET
    stated: Number | UnsetType = UNSET
    cores: Number | UnsetType = UNSET
    of_cores: _Count | UnsetType = UNSET
    names: _Words | UnsetType = UNSET
    share: Number | UnsetType = UNSET
    quota: Number | UnsetType = UNSET
    periods: _Count | UnsetType = UNSET
    stopped: _Count | UnsetType = UNSET
    seconds: Number | UnsetType = UNSET
    governor: Text | UnsetType = UNSET
    reasons: _Words | UnsetType = UNSET
    processes: _Count | UnsetType = UNSET
    rounds: _Count | UnsetType = UNSET
    ranks: _Count | UnsetType = UNSET
    metric: Text | UnsetType = UNSET


def warning_record(warning: CaseWarning) -> str | WarningRecord:
    """Return a warning as a worker sends it, the inverse of `read_warning`."""
    if warning.code is WarningCode.TEXT:
        return str(warning.values["message"])
    return WarningRecord(warning.code.value, values=dict(warning.values))


def read_warning(given: str | WarningRecord) -> CaseWarning:
    """A warning as others wrote it: a sentence, or a code with values.

    A code that is not known here becomes the sentence that was sent with it.

    Raises:
        InvalidDataError: for values that are missing or of another type.
    """
    if isinstance(given, str):
        return CaseWarning.text(sanitize_text(given))
    known = {code.value: code for code in WarningCode}
    code = known.get(given.code)
    if code is WarningCode.TEXT and "message" not in given.values:
        return CaseWarning.text(sanitize_text(given.message))  # also an empty one, which an older file may hold
    if code is None or (code is WarningCode.TEXT and given.message):
        return CaseWarning.text(sanitize_text(given.message or given.code))
    place = f"the warning {given.code}"
    read = converted(given.values, _Values, place)
    for name in _NEEDED[code]:
        if getattr(read, name) is UNSET:
            raise InvalidDataError(f"{place}: its {name} is missing")
    return CaseWarning(code, sanitize_values(given.values))
