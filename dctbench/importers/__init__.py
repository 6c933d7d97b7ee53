"""Importers of result files, which are validated completely before use.

A file is untrusted data. Its size, its number of values, its nesting and the length of its texts are limited, its
fields are validated against a schema, and nothing in it is ever evaluated. Every problem is reported in one sentence
that names the place in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from dctbench.errors import UsageError
from dctbench.importers import json_document, pytest_benchmark
from dctbench.importers.fields import MAX_BYTES, MAX_VALUES
from dctbench.model import Environment, Result, Run
from dctbench.text.files import read_limited
from dctbench.text.untrusted import InvalidDataError, validation_message


class Parsed(NamedTuple):
    """What a file holds.

    Attributes:
        run: of the file.
        environments: by fingerprint.
        results: of the run.
        assumed: the fields of a case that not every result states, and the values that they then have.
    """

    run: Run
    environments: dict[str, Environment]
    results: list[Result]
    assumed: Mapping[str, Any] = MappingProxyType({})


class _FileKeys(msgspec.Struct):
    """The keys that distinguish the kinds of files. Their values are not decoded."""

    schema_version: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    benchmarks: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_READERS: Mapping[str, Callable[[bytes], Parsed]] = {
    "schema_version": lambda data: Parsed(*json_document.parse(data)),  # which states every field
    "benchmarks": lambda data: Parsed(*pytest_benchmark.parse(data)),
}


def read_file(path: str) -> Parsed:
    """Return what an exported or a pytest-benchmark file holds.

    Raises:
        UsageError: when the file cannot be read, is of neither kind or is invalid. The message names the file and the
            place in it.
    """
    if not path:  # as a path, it would be the current folder
        raise UsageError("cannot read '': the name of the file is empty", hint=_HINT)
    try:
        data = read_limited(Path(path), MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a valid file name"
        raise UsageError(f"cannot read {path}: {reason}", hint=_HINT) from None
    return parse(data, path)


def parse(data: bytes, name: str) -> Parsed:
    """Parse the bytes of a file as `read_file` does. Messages use `name` for the file.

    Raises:
        UsageError: when the data is invalid.
    """
    try:
        data = within_limits(data)
        kind = msgspec.json.decode(data, type=_FileKeys)
        for key, reader in _READERS.items():
            if getattr(kind, key) is not msgspec.UNSET:
                return reader(data)
        raise InvalidDataError("it contains neither schema_version nor benchmarks")
    except InvalidDataError as error:
        problem = str(error)
    except msgspec.ValidationError as error:
        problem = validation_message(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem = f"not JSON: {str(error).removeprefix('JSON is malformed: ')}"
    except RecursionError:
        problem = "nested too deeply"
    raise UsageError(f"{name}: {problem}", hint=_HINT)


def within_limits(data: bytes) -> bytes:
    """Return the bytes of a JSON file without a byte order mark, to be decoded.

    Raises:
        InvalidDataError: when they are more, or hold more values, than a result file may have.
    """
    if len(data) > MAX_BYTES:
        raise InvalidDataError(f"larger than {MAX_BYTES >> 20} MiB")
    # A value follows a comma or opens a list or table, so this limits the number of values before decoding.
    if data.count(b",") + data.count(b"[") + data.count(b"{") > MAX_VALUES:
        raise InvalidDataError(f"more than {MAX_VALUES:,} values")
    return data.removeprefix(b"\xef\xbb\xbf")


_HINT = "give a file written by `dctbench export json`, `--format json` or `pytest --benchmark-json`"
