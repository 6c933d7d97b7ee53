"""Texts that every Python has: the functions of its standard library, with their docstrings."""

from __future__ import annotations

import ast
import random
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dctbench.conversion.subject import Purpose

MODULES = ("argparse", "ast", "calendar", "configparser", "copy", "csv", "datetime", "difflib", "doctest", "dis",
           "fractions", "functools", "gettext", "heapq", "imaplib", "inspect", "ipaddress", "locale", "mailbox",
           "mimetypes", "ntpath", "optparse", "os", "pathlib", "pdb", "pickle", "pickletools", "posixpath", "pprint",
           "pydoc", "random", "shutil", "smtplib", "socket", "socketserver", "statistics", "string", "subprocess",
           "tarfile", "tempfile", "textwrap", "threading", "tokenize", "traceback", "turtle", "types", "typing",
           "uuid", "warnings", "weakref", "webbrowser", "zipfile")  # fmt: skip
LEAST_DOCSTRING = 60
LEAST_BODY = 120
STRETCHES: Mapping[Purpose, slice] = {
    Purpose.COMPARE: slice(200),
    Purpose.CHOOSE: slice(200, 300),
    Purpose.TRAIN: slice(300, None),
}
"""Which of the functions are for which purpose; they have no function in common."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the standard library: its docstring, and its source without it."""

    name: str
    docstring: str
    body: str


@cache
def functions() -> tuple[Function, ...]:
    """Return the functions with a docstring and a body of some length, in a fixed random order.

    No docstring occurs twice, so that each has one right answer. Modules that this Python lacks are left out.
    """
    found = {one.docstring: one for name in MODULES for one in _functions_of(name)}
    ordered = sorted(found.values(), key=lambda one: (one.name, one.docstring))
    random.Random(0).shuffle(ordered)
    return tuple(ordered)


def running_text(purpose: Purpose) -> str:
    """Return functions one after the other, prose and code: those for a purpose."""
    return "\n\n".join(f"{one.docstring}\n{one.body}" for one in functions()[STRETCHES[purpose]])


def _functions_of(module: str) -> Iterator[Function]:
    stdlib = Path(sysconfig.get_paths()["stdlib"])
    path = next((p for p in (stdlib / f"{module}.py", stdlib / module / "__init__.py") if p.is_file()), None)
    if path is None:
        return
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef):
            continue
        docstring = ast.get_docstring(node)
        if docstring is None or len(docstring) < LEAST_DOCSTRING:
            continue
        body = ast.unparse(ast.Module(body=node.body[1:], type_ignores=[]))
        if len(body) >= LEAST_BODY:
            yield Function(f"{module}.{node.name}", docstring, body)
