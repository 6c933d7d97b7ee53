"""Reading result files that others hand us: what is in one is checked before anything of it is believed.

A file is data from a stranger. Its size, the number of its values, its nesting and the length of its texts are
bounded, its fields are validated against a schema, and nothing of it is ever evaluated. Whatever is wrong is one
sentence that names the place in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from dctbench.errors import UsageError
from dctbench.importers import json_document, pytest_benchmark
from dctbench.importers.fields import MAX_BYTES, MAX_VALUES
from dctbench.model import Environment, Result, Run
from dctbench.text.untrusted import InvalidDataError, sentence

Parsed = tuple[Run, dict[str, Environment], list[Result]]


class _FileKeys(msgspec.Struct):
    """The keys by which the kinds of files are told apart; their contents are left unread."""

    schema_version: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    benchmarks: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_READERS: Mapping[str, Callable[[bytes], Parsed]] = {
    "schema_version": json_document.parse,
    "benchmarks": pytest_benchmark.parse,
}


def read_file(path: str) -> Parsed:
    """The run, its environments by fingerprint and its results, from an exported or a pytest-benchmark file.

    Raises:
        UsageError: when it cannot be read, is neither, or is not valid; the message names the file and the place.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not the name of a file"
        raise UsageError(f"cannot read {path}: {reason}", hint=_HINT) from None
    return parse(data, path)


def parse(data: bytes, name: str) -> Parsed:
    """`read_file` for bytes; `name` stands for the file in messages.

    Raises:
        UsageError: when they are not valid.
    """
    try:
        if len(data) > MAX_BYTES:
            raise InvalidDataError(f"larger than {MAX_BYTES >> 20} MiB")
        # Every value but the first of its list or table follows a comma: bounded before anything is built of them.
        if data.count(b",") + data.count(b"[") + data.count(b"{") > MAX_VALUES:
            raise InvalidDataError(f"more than {MAX_VALUES:,} values")
        data = data.removeprefix(b"\xef\xbb\xbf")
        kind = msgspec.json.decode(data, type=_FileKeys)
        for key, reader in _READERS.items():
            if getattr(kind, key) is not msgspec.UNSET:
                return reader(data)
        raise InvalidDataError("neither schema_version nor benchmarks stands in it")
    except InvalidDataError as bad:
        problem = str(bad)
    except msgspec.ValidationError as error:
        problem = sentence(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem = f"not JSON: {str(error).removeprefix('JSON is malformed: ')}"
    except RecursionError:
        problem = "nested too deeply"
    raise UsageError(f"{name}: {problem}", hint=_HINT)


_HINT = "give a file that `dctbench export json`, `--format json` or `pytest --benchmark-json` has written"
