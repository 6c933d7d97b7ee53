"""Create packages in a folder, as pip would install them: a module and its entry points."""

from __future__ import annotations

from pathlib import Path


def install(folder: Path, package: str, module: str, source: str, **entry_points: str) -> None:
    """Create a package in a folder that is on the path; `entry_points` by table, as `name = module:Class`."""
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
    text = "".join(f"[dctbench.{table}]\n{points}\n" for table, points in entry_points.items())
    (info / "entry_points.txt").write_text(text, encoding="utf-8")
