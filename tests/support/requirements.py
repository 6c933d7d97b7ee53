"""What pyproject.toml requires, by name.

As a program, prints the oldest allowed version of each requirement as a constraint of pip: with the extras that add
features, without the tools for tests, lint and releases.
"""

from __future__ import annotations

import re
import tomllib

from tests.support import ROOT

TOOLS = frozenset({"test", "lint", "mutation", "release"})
"""Extras for working on dctbench. The other extras add features."""
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[\w,]+\])?(?:>=([\w.]+))?(?:; .+)?")


def required() -> dict[str, dict[str, str | None]]:
    """For each extra, and under "" without one: the name of each required distribution, and its oldest version.

    A distribution that comes through another extra of dctbench is named under that one only.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    found = {extra: dict(map(_named, requirements)) for extra, requirements in groups.items()}
    for names in found.values():
        names.pop(project["name"], None)
    return found


def minimum() -> dict[str, str]:
    """The oldest version of each distribution that dctbench and its features require.

    Triton is left out: each torch of PyPI takes one version of it only.
    """
    features = (names for extra, names in required().items() if extra not in TOOLS)
    found = {name: version for names in features for name, version in names.items() if version is not None}
    return {name: version for name, version in found.items() if name != "triton"}


def _named(requirement: str) -> tuple[str, str | None]:
    match = _REQUIREMENT.fullmatch(requirement)
    if match is None:
        raise ValueError(f"pyproject.toml: {requirement!r} is not a name with a lower bound")
    return match[1].lower(), match[2]


if __name__ == "__main__":
    print(*(f"{name}=={version}" for name, version in minimum().items()), sep="\n")
