"""What every command shares: help in groups with examples, the flags that work everywhere, errors as one sentence."""

from __future__ import annotations

import errno
import keyword
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import click

from dctbench import __version__, errors
from dctbench.catalog import nearest
from dctbench.cli.terminal.interruption import interrupt_no_more, interrupt_once
from dctbench.cli.terminal.streams import discard_output, make_writable
from dctbench.text.sanitize import sanitize_text

Function = TypeVar("Function", bound=Callable[..., Any])
FORMATS = ("table", "json", "csv", "md")
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
EVERYWHERE = "Everywhere"
_LONGEST = 2000


class Flag(click.Option):
    """An option that knows under which heading of the help it stands."""

    def __init__(self, *args: Any, section: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


class Command(click.Command):
    """A command whose help lists its flags by section and ends with examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Flags by section, in the order of their declaration."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):  # arguments are told in the text above
                sections.setdefault(getattr(parameter, "section", EVERYWHERE), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Two examples say more than a paragraph."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write_text(example)


class Group(click.Group):
    """A group that imports a command's module only when that command is asked for."""

    def __init__(
        self, *args: Any, lazy: dict[str, tuple[str, str]], examples: Sequence[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy
        self.examples = examples

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order a reader meets them, not the alphabet's."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself."""
        if cmd_name not in self.lazy:
            return None
        import importlib

        module = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command = importlib.import_module(f"dctbench.cli.commands.{module}").command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that is asked for, with the defaults of the current folder's pyproject.toml."""
        from dctbench.cli.options.configuration import defaults

        ctx.default_map = defaults({name: partial(self.get_command, ctx, name) for name in self.lazy})
        return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """An unknown command names the nearest one."""
        word = args[0]
        if word not in self.lazy and not word.startswith("-"):
            guess = nearest(word, self.lazy)
            hint = f"did you mean {guess!r}?" if guess else f"there are: {', '.join(self.lazy)}"
            raise errors.UsageError(f"no command {word!r}", hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands by section, without importing any of them."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, (section, summary) in self.lazy.items():
            sections.setdefault(section, []).append((name, summary))
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Where to begin."""
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write_text(example)


def store_option(function: Function) -> Function:
    """`--store`, with its variable and default."""
    return click.option(
        "--store", cls=Flag, section=EVERYWHERE, metavar="PATH|URL", envvar="DCTBENCH_STORE", show_envvar=True,
        default=".dctbench/results.sqlite", show_default=True, help="Where results are kept.",
    )(function)  # fmt: skip


def format_option(function: Function) -> Function:
    """`--format`, for what goes to standard output."""
    return click.option(
        "--format", "output_format", cls=Flag, section=EVERYWHERE, type=click.Choice(FORMATS), default="table",
        show_default=True, help="Form of what goes to standard output.",
    )(function)  # fmt: skip


def version_option(function: Function) -> Function:
    """`--version`."""
    return click.version_option(__version__, "--version", cls=Flag, section=EVERYWHERE, prog_name="dctbench")(function)


def echo_error(message: str, hint: str | None) -> None:
    """One sentence and a remedy, on standard error; whatever was typed is shown without control codes, and shortened.

    That nobody can read them (standard error is full, or closed) changes nothing about how the command ends.
    """
    with suppress(OSError):
        click.echo(f"dctbench: {_one_line(message)}", err=True)
        if hint:
            click.echo(f"  {_one_line(hint)}", err=True)


def _one_line(text: str) -> str:
    line = " ".join(sanitize_text(text).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"


def run_and_exit(group: click.Group, arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every way it can end becomes one of the documented exit codes."""
    interrupt_once()
    make_writable()
    try:
        code = _run(group, arguments)
    except KeyboardInterrupt:  # while it was told how the command ended
        code = errors.InterruptedRunError.exit_code
    interrupt_no_more()
    sys.exit(code)


def _run(group: click.Group, arguments: Sequence[str] | None) -> int:
    try:
        code = group.main(args=arguments, prog_name="dctbench", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else errors.EXIT_OK
    except errors.DctbenchError as error:
        echo_error(error.message, error.hint)
        return error.exit_code
    except click.ClickException as error:
        echo_error(error.format_message(), "see dctbench --help, or --help after the command")
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        echo_error("interrupted", None)
        return errors.InterruptedRunError.exit_code
    except (BrokenPipeError, SystemExit):  # `| head -1`: the reader has what it wanted; click would exit 1 for it
        discard_output()
        return errors.EXIT_OK
    except Exception as error:
        return _unforeseen(error)


def _unforeseen(error: Exception) -> int:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
        discard_output()
        echo_error("the output could not be written: no space left on device", "free some space, or write elsewhere")
        return errors.UsageError.exit_code
    traceback.print_exc()
    echo_error("this is a bug in dctbench, not in what you asked for", "please report it with the lines above")
    return errors.EXIT_BUG
