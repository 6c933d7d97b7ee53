"""The import graph: no two modules and no two packages import each other, directly or through others."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping

import grimp
import pytest

from tests.support import ROOT

Edges = Mapping[str, set[str]]


@pytest.fixture(scope="module")
def imports() -> Edges:
    """The modules that each module of dctbench imports, imports for type checking and inside functions included.

    The package `dctbench` itself is left out: it names the public interface, which it imports when it is first used.
    """
    graph = grimp.build_graph("dctbench")
    modules = graph.modules - {"dctbench"}
    return {module: graph.find_modules_directly_imported_by(module) & modules for module in modules}


def test_no_module_imports_itself_through_others(imports: Edges) -> None:
    assert cycles(imports) == []


@pytest.mark.parametrize("depth", [2, 3], ids=["rooms", "packages-within-rooms"])
def test_no_package_imports_itself_through_others(imports: Edges, depth: int) -> None:
    assert cycles(among_packages(imports, depth)) == []


def test_every_package_is_in_the_wheel_and_every_room_under_the_rules_of_imports() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    found = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in ROOT.glob("dctbench/**/__init__.py")
    }
    elsewhere = settings["setuptools"]["package-dir"].keys()
    assert set(settings["setuptools"]["packages"]) == found | elsewhere
    upper, lower, torch = settings["importlinter"]["contracts"][:3]
    layers = {room for one in (upper, lower) for layer in one["layers"] for room in layer.split(" : ")}
    rooms = {name for name in found if name.count(".") == 1} | {
        f"dctbench.{path.stem}" for path in ROOT.glob("dctbench/*.py") if not path.stem.startswith("__")
    }
    assert rooms - layers == set()
    assert rooms - set(torch["source_modules"]) - set(torch["forbidden_modules"]) == set()


def test_a_cycle_is_found_whatever_its_length() -> None:
    edges = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set(), "f": {"g"}, "g": {"f"}}
    assert cycles(edges) == [["a", "b", "c"], ["f", "g"]]
    assert among_packages({"dctbench.x.a": {"dctbench.y.a"}, "dctbench.y.b": {"dctbench.x.b"}}, 2) == {
        "dctbench.x": {"dctbench.y"},
        "dctbench.y": {"dctbench.x"},
    }


def among_packages(imports: Edges, depth: int) -> dict[str, set[str]]:
    """The same imports between packages `depth` names deep; a module less deep counts as a package."""
    edges: dict[str, set[str]] = {}
    for module, imported in imports.items():
        source = package(module, depth)
        edges.setdefault(source, set()).update({package(target, depth) for target in imported} - {source})
    return edges


def package(module: str, depth: int) -> str:
    return ".".join(module.split(".")[:depth])


def cycles(edges: Edges) -> list[list[str]]:
    """The groups of nodes that can all reach each other, sorted."""
    reachable = {node: reach(edges, node) for node in edges}
    groups = {
        frozenset({node, *(other for other in reachable[node] if node in reachable.get(other, ()))})
        for node in edges
        if node in reachable[node]
    }
    return sorted(sorted(group) for group in groups)


def reach(edges: Edges, start: str) -> set[str]:
    """Every node that can be reached from `start` in one step or more."""
    found: set[str] = set()
    ahead: Iterable[str] = edges.get(start, ())
    while ahead:
        found.update(ahead)
        ahead = {target for node in ahead for target in edges.get(node, ())} - found
    return found
