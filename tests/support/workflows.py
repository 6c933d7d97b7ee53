"""Write the GitHub workflows that stand in the documents as files, for actionlint: see `make lint`.

python -m tests.support.workflows FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from tests.support.documents import Block, blocks


def workflows() -> list[Block]:
    """The blocks of YAML that are whole workflows."""
    return [block for block in blocks("yaml") if "jobs" in yaml.safe_load(block.text)]


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for block in workflows():
        name = block.id.replace("/", "-").replace(".md", "")
        (folder / f"{name}.yml").write_text(block.text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
