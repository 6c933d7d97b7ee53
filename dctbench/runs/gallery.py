"""Result files that others contribute: are they whole, plausible, and do they name nobody?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from dctbench.analysis import REFERENCE
from dctbench.errors import UsageError
from dctbench.importers import within_limits
from dctbench.importers.fields import MAX_BYTES
from dctbench.model import Environment
from dctbench.runs.lookup import RecordedRun, from_file
from dctbench.text.files import read_limited
from dctbench.text.untrusted import InvalidDataError

LEAST_ROUNDS = 3
LEAST_LENGTHS = 3
FASTEST_FLOPS = 5e15
"""FLOP/s that no device of today reaches: a B200 does 2.25e15 in bfloat16 by its data sheet."""
QUICKEST_SECONDS = 1e-7
SLOWEST_SECONDS = 1e4
_NAMES_SOMEBODY = re.compile(
    r"(/home/|/root/|/Users/|\\Users\\)|(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.]+|(?<![\d.])\d{1,3}(\.\d{1,3}){3}(?![\d.])"
)
"""A home folder, an address for mail, an address of a machine.

An address for mail begins only where its run of characters does: a search that tries all of them takes quadratic time.
"""


class _FileKeys(msgspec.Struct):
    """The keys that every result file has. Their values are not decoded."""

    schema_version: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    results: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def is_result_file(path: Path) -> bool:
    """Return whether a JSON file is meant to be a result file of dctbench. Other files may lie in the same folder.

    A file that cannot be read counts as one: it may have been cut off, and reading it tells the user so.
    """
    try:
        keys = msgspec.json.decode(within_limits(read_limited(path, MAX_BYTES + 1)), type=_FileKeys)
    except msgspec.ValidationError:  # JSON, but no table
        return False
    except (OSError, InvalidDataError, msgspec.DecodeError, RecursionError):
        return True
    return keys.schema_version is not msgspec.UNSET and keys.results is not msgspec.UNSET


def problems(path: Path) -> list[str]:
    """Return what keeps a file out of the gallery, in sentences; an empty list if nothing does."""
    try:
        found = from_file(str(path))
    except UsageError as error:
        return [error.message]
    return [*_incomplete(found), *_implausible(found), *_told(found)]


def _incomplete(found: RecordedRun) -> Iterator[str]:
    timed = [summary for summary in found.summaries if summary.timed]
    lengths = {s.case.seq_len for s in timed if s.case.implementation == REFERENCE}
    if len(lengths) < LEAST_LENGTHS:
        yield f"{REFERENCE} was timed at {len(lengths)} lengths, and a crossing needs {LEAST_LENGTHS}"
    if not any(s.case.implementation != REFERENCE and s.case.n_kept is not None for s in timed):
        yield f"no method that compresses was timed beside {REFERENCE}"
    few = [s for s in timed if len(s.medians) < LEAST_ROUNDS]
    if few:
        yield f"{few[0].case.title} has {len(few[0].medians)} rounds, and needs {LEAST_ROUNDS}"
    if len({result.fingerprint for result in found.results}) > 1:
        yield "results of several machines: export a file for each"


def _implausible(found: RecordedRun) -> Iterator[str]:
    for summary in found.summaries:
        name = summary.case.title
        if summary.latency is None:
            continue
        seconds = summary.latency.value
        if not QUICKEST_SECONDS <= seconds <= SLOWEST_SECONDS:
            yield f"{name}: a latency of {seconds:.3g} s is not plausible"
        elif summary.values.get("flops", 0.0) / seconds > FASTEST_FLOPS:
            yield f"{name}: {summary.values['flops'] / seconds:.3g} FLOP/s are more than any device reaches"


def _told(found: RecordedRun) -> Iterator[str]:
    for model in {case.model for case in found.plan if case.model is not None}:
        if "/" in model or "\\" in model:
            yield f"the model {model} is named by its path"
    if not found.run.settings.anonymous:
        yield "it may name somebody: export it with --anonymous"
    for environment in found.environments.values():
        if not _is_label(environment):
            yield f"the environment {environment.fingerprint} has the name of a host"
    texts = [
        {"label": found.run.label, "argv": found.run.argv, "settings": found.run.settings.to_json()},
        *(dict(one.facts) for one in found.environments.values()),
    ]
    labels = {environment.host for environment in found.environments.values()}
    if any(one.host and one.host not in labels for one in found.results):
        yield "a result has the name of a host"
    for one in found.results:
        warnings = [warning.to_json() for warning in one.warnings]
        texts.append({"message": one.message, "details": one.details.to_json(), "warnings": warnings})
    for text in dict.fromkeys(_strings(texts)):
        match = _NAMES_SOMEBODY.search(text)
        if match:
            yield f"{match[0]!r} may name somebody or a machine"


def _is_label(environment: Environment) -> bool:
    return not environment.host or environment.labelled


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)
