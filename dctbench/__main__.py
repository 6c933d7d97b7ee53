"""`python -m dctbench`, and the console script."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from dctbench.cli import cli
    from dctbench.cli.options.click_ext import run_and_exit

    run_and_exit(cli)


if __name__ == "__main__":
    main()
