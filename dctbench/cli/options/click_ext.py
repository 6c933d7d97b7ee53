"""What commands share: help with flags by section and examples at the end, and flags that many of them have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from dctbench import __version__
from dctbench.store import DEFAULT_STORE

Function = TypeVar("Function", bound=Callable[..., Any])
FORMATS = ("table", "json", "csv", "md")
_ALIASES = {"markdown": "md"}
PROGRESS = ("auto", "live", "plain", "none")
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
EVERYWHERE = "Everywhere"
_PATHS = {"FILE", "FOLDER", "PATH", "STORE"}


def complete_path(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete paths."""
    return [CompletionItem(incomplete, type="file")]


class Flag(click.Option):
    """An option with the heading under which the help lists it. Shells complete paths where its value is one."""

    def __init__(self, *args: Any, section: str = "Options", **kwargs: Any) -> None:
        if _PATHS & set((kwargs.get("metavar") or "").split("|")):
            kwargs.setdefault("shell_complete", complete_path)
        super().__init__(*args, **kwargs)
        self.section = section


class Command(click.Command):
    """A command whose help lists its flags by section and ends with examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the line. Every error knows its command, so that the hint names this command's help."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:  # click's parser leaves the context out where a flag lacks its value
            error.ctx = error.ctx or ctx
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the flags by section, in the order in which they are declared."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):  # the text above describes arguments
                sections.setdefault(getattr(parameter, "section", EVERYWHERE), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(self.examples, formatter)


def write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """Write the section that ends a help text, one example per line."""
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write_text(example)


def was_typed(name: str) -> bool:
    """Whether the command line gives a parameter of the current command. A default of pyproject.toml is not typed."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def without_defaults(flags: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the flags, of which these are not given unless they were typed.

    A default of pyproject.toml is for every call of a command, and some calls have no use for it. Whoever types such a
    flag is told so.
    """
    unset = {option.name: () if option.multiple else False if option.is_flag else None
             for option in click.get_current_context().command.params if isinstance(option, click.Option)}  # fmt: skip
    return {**flags, **{name: unset[name] for name in names if not was_typed(name)}}


class FormatChoice(click.Choice[str]):
    """One of FORMATS; `markdown` also means `md`."""

    def __init__(self) -> None:
        super().__init__(FORMATS)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the format that the word means."""
        return super().convert(_ALIASES.get(value, value), param, ctx)


def store_option(function: Function) -> Function:
    """`--store`, with its variable and default."""
    return click.option(
        "--store", cls=Flag, section=EVERYWHERE, metavar="PATH|URL", envvar="DCTBENCH_STORE", show_envvar=True,
        default=DEFAULT_STORE, show_default=True, help="Where results are kept.",
    )(function)  # fmt: skip


def unused_store_option(function: Function) -> Function:
    """`--store` for a command that opens no store: a script may pass it to every command."""
    return click.option("--store", expose_value=False, hidden=True)(function)


def unused_format_option(function: Function) -> Function:
    """`--format` for a command that prints no records: a script may pass it to every command."""
    return click.option("--format", type=FormatChoice(), expose_value=False, hidden=True)(function)


def format_option(function: Function) -> Function:
    """`--format`, for standard output."""
    return click.option(
        "--format", "output_format", cls=Flag, section=EVERYWHERE, type=FormatChoice(), default="table",
        show_default=True, help="Format of standard output.",
    )(function)  # fmt: skip


def progress_option(
    section: str, help: str = "How progress is shown, on standard error."
) -> Callable[[Function], Function]:
    """`--progress`, under that heading of the help."""
    return click.option(
        "--progress", cls=Flag, section=section, type=click.Choice(PROGRESS), default="auto", show_default=True,
        help=help,
    )  # fmt: skip


def force_option(section: str = "Options") -> Callable[[Function], Function]:
    """`--force`, under that heading of the help."""
    return click.option(
        "--force", cls=Flag, section=section, is_flag=True, help="Replace a file that dctbench did not write."
    )


def version_option(function: Function) -> Function:
    """`--version`."""
    return click.version_option(__version__, "--version", cls=Flag, section=EVERYWHERE, prog_name="dctbench")(function)
