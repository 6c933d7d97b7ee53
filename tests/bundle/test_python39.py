"""The programs of a bundle use nothing that is newer than Python 3.9, which they promise to run under."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from dctbench.app.bundle import PROGRAMS
from tests.support import ROOT

OLDEST = (3, 9)
MODULES = {"tomllib"}
NAMES = {
    "contextlib": {"aclosing", "chdir"},
    "datetime": {"UTC"},
    "enum": {"StrEnum"},
    "functools": {"Placeholder"},
    "hashlib": {"file_digest"},
    "inspect": {"get_annotations"},
    "itertools": {"batched", "pairwise"},
    "math": {"cbrt", "exp2", "sumprod"},
    "operator": {"call"},
    "os": {"EFD_CLOEXEC", "eventfd", "process_cpu_count", "setns", "unshare"},
    "statistics": {"correlation", "covariance", "kde", "linear_regression"},
    "sys": {"activate_stack_trampoline", "exception", "monitoring", "orig_argv", "stdlib_module_names"},
    "threading": {"getprofile", "gettrace", "setprofile_all_threads"},
    "types": {"EllipsisType", "NoneType", "NotImplementedType", "UnionType"},
    "typing": {
        "Concatenate", "LiteralString", "Never", "NotRequired", "ParamSpec", "Required", "Self", "TypeAlias",
        "TypeGuard", "TypeVarTuple", "Unpack", "assert_never", "assert_type", "override", "reveal_type",
    },
}  # fmt: skip
"""By module, what later versions added to the standard library."""
BUILTINS = {"BaseExceptionGroup", "EncodingWarning", "ExceptionGroup", "PythonFinalizationError", "aiter", "anext"}
METHODS = {"add_note", "bit_count", "hardlink_to"}
KEYWORDS = {"zip": {"strict"}, "dataclass": {"kw_only", "slots", "weakref_slot"}, "TemporaryDirectory": {"delete"}}


def newer(source: str) -> Iterator[str]:
    """Yield what a program uses that Python 3.9 lacks."""
    try:
        tree = ast.parse(source, feature_version=OLDEST)
    except SyntaxError as error:
        yield f"syntax: {error.msg}"
        return
    lazy = any(
        isinstance(one, ast.ImportFrom) and one.module == "__future__" and one.names[0].name == "annotations"
        for one in tree.body
    )
    if not lazy:
        yield "annotations that are evaluated: X | Y is no type there"
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from (one.name for one in names if one.name in MODULES)
            case ast.ImportFrom(module, names) if module in MODULES:
                yield str(module)
            case ast.ImportFrom(str(module), names):
                yield from (f"{module}.{one.name}" for one in names if one.name in NAMES.get(module, ()))
            case ast.Attribute(ast.Name(module), name) if name in NAMES.get(module, ()):
                yield f"{module}.{name}"
            case ast.Attribute(_, name) if name in METHODS:
                yield f".{name}"
            case ast.Name(name) if name in BUILTINS:
                yield name
            case ast.Call(ast.Name(name) | ast.Attribute(_, name), _, words):
                yield from (f"{name}({one.arg}=)" for one in words if one.arg in KEYWORDS.get(name, ()))
            case _:
                pass


@pytest.mark.parametrize(("room", "source"), [(room, source) for _, room, source in PROGRAMS])
def test_a_program_of_a_bundle_uses_nothing_newer_than_python_39(room: str, source: str) -> None:
    assert list(newer((ROOT / "dctbench" / room / source).read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("now = datetime.datetime.now(datetime.UTC)", "datetime.UTC"),
        ("from datetime import UTC", "datetime.UTC"),
        ("import tomllib", "tomllib"),
        ("from typing import Any, Self", "typing.Self"),
        ("raise ExceptionGroup('several', [error])", "ExceptionGroup"),
        ("pairs = list(zip(a, b, strict=True))", "zip(strict=)"),
        ("@dataclasses.dataclass(slots=True)\nclass A: ...", "dataclass(slots=)"),
        ("path.hardlink_to(other)", ".hardlink_to"),
        ("match a:\n    case 1: ...", "syntax: Pattern matching is only supported in Python 3.10 and greater"),
        ("try: ...\nexcept* OSError: ...", "syntax: Exception groups are only supported in Python 3.11 and greater"),
    ],
)
def test_what_is_newer_is_found(line: str, found: str) -> None:
    assert list(newer(f"from __future__ import annotations\n{line}\n")) == [found]
