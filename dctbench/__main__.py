"""`python -m dctbench`, and the console script."""

from __future__ import annotations

from dctbench.cli import cli
from dctbench.cli.entry import run_and_exit


def main() -> None:
    """Run the command line."""
    run_and_exit(cli)


if __name__ == "__main__":
    main()
