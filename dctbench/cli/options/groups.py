"""Groups of commands that are imported only when they are asked for, so that help and completion answer at once."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import click
from click.shell_completion import CompletionItem

from dctbench.catalog import nearest
from dctbench.cli.options.click_ext import CONTEXT, write_examples
from dctbench.cli.options.configuration import defaults
from dctbench.errors import UsageError
from dctbench.text.format import shorten


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command that is not imported yet: the module with its `command`, and its line in the help of the group."""

    module: str
    summary: str
    section: str = "Commands"


class LazyGroup(click.Group):
    """A group that knows its commands by name and summary, and imports the one that is asked for."""

    def __init__(
        self, *args: Any, commands: Mapping[str, LazyCommand], examples: Sequence[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, context_settings=CONTEXT, **kwargs)
        self.lazy = commands
        self.examples = examples

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which the help lists them."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, imported."""
        if cmd_name not in self.lazy:
            return None
        command = importlib.import_module(self.lazy[cmd_name].module).command
        assert isinstance(command, click.Command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without arguments, print the help: `dctbench` alone is no mistake."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Refuse an unknown command and suggest the nearest name.

        Raises:
            UsageError: when there is no such command.
        """
        word = args[0]
        if word not in self.lazy and not word.startswith("-"):
            guess = nearest(word, self.lazy)
            hint = f"did you mean {guess!r}?" if guess else f"known commands: {', '.join(self.lazy)}"
            raise UsageError(f"there is no command '{ctx.command_path} {shorten(word)}'", hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, without importing any of them."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.lazy.items():
            sections.setdefault(command.section, []).append((name, command.summary))
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(self.examples, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a command's name without importing it, or an option of the group."""
        names = [
            CompletionItem(name, help=command.summary)
            for name, command in self.lazy.items()
            if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]


class CommandLine(LazyGroup):
    """The outermost group, which reads the defaults of flags from the current folder's pyproject.toml."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the line. While a shell completes it, nothing is invoked, and wrong defaults are no defaults."""
        if ctx.resilient_parsing:
            with suppress(UsageError):
                ctx.default_map = defaults(self, ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that is asked for, with those defaults."""
        ctx.default_map = defaults(self, ctx)
        return super().invoke(ctx)
