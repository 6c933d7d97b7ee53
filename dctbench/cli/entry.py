"""Run the command line and end with one of the documented exit codes, whatever happens."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

import click

from dctbench import errors
from dctbench.cli.terminal.interruption import interrupt_no_more, interrupt_once
from dctbench.cli.terminal.streams import FULL, discard_output, make_writable
from dctbench.store import conceal
from dctbench.text.private import home_as_tilde
from dctbench.text.sanitize import sanitize_text

_LONGEST = 2000


def run_and_exit(command: click.Command, arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit.

    Args:
        command: the whole command line.
        arguments: those of the process when not given.
    """
    interrupt_once()
    make_writable()
    try:
        code = _run(command, arguments)
    except KeyboardInterrupt:  # while an error message was being printed
        code = errors.InterruptedRunError.exit_code
    interrupt_no_more()
    sys.exit(code)


def _run(command: click.Command, arguments: Sequence[str] | None) -> int:
    try:
        code = command.main(args=arguments, prog_name="dctbench", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else errors.EXIT_OK
    except errors.DctbenchError as error:
        echo_error(error.message, error.hint)
        return error.exit_code
    except click.ClickException as error:
        echo_error(error.format_message(), f"see {_path(error)} --help")
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        echo_error("interrupted", None)
        return errors.InterruptedRunError.exit_code
    except (BrokenPipeError, SystemExit):  # `| head -1`: the reader has what it wanted; click would exit 1 for it
        discard_output()
        return errors.EXIT_OK
    except Exception as error:
        return _report_memory() if _is_lack_of_memory(error) else _report_bug(error)


def _path(error: click.ClickException) -> str:
    """The command whose help explains an error: `dctbench store prune`."""
    context = getattr(error, "ctx", None)
    return context.command_path if isinstance(context, click.Context) else "dctbench"


def echo_error(message: str, hint: str | None) -> None:
    """Print an error and its remedy to standard error, a line each, without passwords and control codes, and shortened.

    An error of standard error itself, which may be full or closed, is ignored: the exit code does not change.
    """
    typed = [*sys.argv[1:], os.environ.get("DCTBENCH_STORE", "")]
    with suppress(OSError):
        click.echo(f"dctbench: {_one_line(home_as_tilde(conceal(message, typed)))}", err=True)
        if hint:
            click.echo(f"  {_one_line(conceal(hint, typed))}", err=True)


def _one_line(text: str) -> str:
    line = " ".join(sanitize_text(text).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"


def _is_lack_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)


def _report_memory() -> int:
    discard_output()
    echo_error(
        "not enough memory for this command",
        "free some memory, raise the limit (ulimit -v, or that of the container), or name fewer runs",
    )
    return errors.UnavailableError.exit_code


def _report_bug(error: Exception) -> int:
    if isinstance(error, OSError) and error.errno in FULL and error.filename is None:
        discard_output()
        why = os.strerror(error.errno).lower()
        echo_error(f"the output could not be written: {why}", "free some space, or write elsewhere")
        return errors.UsageError.exit_code
    with suppress(OSError):
        click.echo(home_as_tilde(traceback.format_exc()), err=True, nl=False)
    echo_error("this is a bug in dctbench, not in what you asked for", "please report it with the lines above")
    return errors.EXIT_BUG
