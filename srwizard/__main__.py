"""The `srwizard` command: choose the language, run, and turn errors into messages."""

import os
import sys
import tempfile
import traceback
from pathlib import Path
from shutil import get_terminal_size

from srwizard.base import i18n, interrupts, terminal_loss
from srwizard.base.errors import (
    EXIT_DONE,
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    InterruptedByUserError,
    SrwizardError,
    UsageError,
)
from srwizard.base.i18n import translate as _
from srwizard.base.open_files import allow_more_open_files
from srwizard.base.os_errors import hint_at_limit, is_of_the_place, may_get_room, reason_of
from srwizard.base.text_width import wrapped
from srwizard.base.visible import Lines, in_one_line, show_only_visible

SHOWING = {"logs", "status"}
"""Commands that may go on for ever, for somebody who reads."""
FEWEST_COLUMNS = 20


def main() -> None:
    """Run the command line. Exits with the codes of `srwizard.base.errors`."""
    try:
        interrupts.listen()
        code = _main()
        interrupts.pass_over()
    except KeyboardInterrupt:  # a second one
        code = EXIT_INTERRUPTED
    sys.exit(code)


def _main() -> int:
    try:
        # What is at work ends it though nobody reads on; what only shows something does not.
        terminal_loss.survive(readers=not SHOWING & set(sys.argv[1:]))
        _pass_over_columns_that_are_none()
        allow_more_open_files()
        show_only_visible()
        i18n.set_language(i18n.language_from_environment())
        asked_for, arguments = _take_language(sys.argv[1:])
        if asked_for is not None:
            i18n.set_language(asked_for)
        i18n.hand_on_language()
        terminal_loss.let_encode(i18n.SAMPLES[i18n.language()])
        if _working_directory_is_gone():
            return _complain_of_working_directory()
        code = _run(arguments, named_language=asked_for is not None)
        sys.stdout.flush()
        return code
    except SrwizardError as error:
        say = _say if isinstance(error, InterruptedByUserError) else _complain
        say(error.message, error.hint)
        return error.exit_code
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        terminal_loss.lose_output()
        return EXIT_DONE
    except OSError as error:
        terminal_loss.lose_output()
        return _interrupted() if interrupts.asked() else _refused_by_the_system(error)
    except Exception as error:
        # Libraries make errors of their own of a request that comes while they are loaded.
        return _interrupted() if interrupts.asked() else _end_with_a_report(error)


def _interrupted() -> int:
    _complain(_("interrupted"), "")
    return EXIT_INTERRUPTED


def _refused_by_the_system(error: OSError) -> int:
    if _working_directory_is_gone():
        return _complain_of_working_directory()
    in_proc = str(error.filename).startswith("/proc/")
    if not in_proc and not is_of_the_place(error):
        return _end_with_a_report(error)
    where = (
        error.filename2 or error.filename or _("standard output, or a file that was being written")
    )
    if in_proc:
        hint = _("srwizard needs /proc, to see memory and processes. In a container, mount it.")
    elif (limit := hint_at_limit(error)) is not None:
        hint = limit
    elif may_get_room(error):
        hint = _("Free some space or get write permission there, then run the command again.")
    else:
        hint = _("Check the path, then run the command again.")
    _complain(_("{path} cannot be used: {reason}", path=where, reason=reason_of(error)), hint)
    return EXIT_USAGE


def _pass_over_columns_that_are_none() -> None:
    """Leave out a width that no terminal has, which tables would keep to."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) < FEWEST_COLUMNS:
        del os.environ["COLUMNS"]


def _complain_of_working_directory() -> int:
    _complain(
        _("the working directory has been deleted"),
        _("Change to an existing one (cd), and run the command again."),
    )
    return EXIT_USAGE


def _working_directory_is_gone() -> bool:
    try:
        Path.cwd()
    except OSError:
        return True
    return False


def _end_with_a_report(error: Exception) -> int:
    _complain(
        _("srwizard itself failed: {kind}: {error}", kind=type(error).__name__, error=error),
        _("Details are in {path}; please report them.", path=_write_traceback()),
    )
    return EXIT_INTERNAL


def _run(arguments: list[str], *, named_language: bool) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: of the command line, without the language.
        named_language: whether the user has named it there, and must again in the next command.

    Raises:
        SrwizardError: it cannot be done.
    """
    # The texts of the commands are made when the module is imported: language first.
    import click

    from srwizard.commands.cli import cli

    if named_language:
        i18n.name_language_in(cli.commands)
    try:
        with cli.make_context("srwizard", arguments) as context:
            cli.invoke(context)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx is not None else "srwizard"
        _complain(in_one_line(error.format_message()), _("See: {command} --help", command=command))
        return EXIT_USAGE
    return EXIT_DONE


def _take_language(arguments: list[str]) -> tuple[str | None, list[str]]:
    """Return the language that is asked for anywhere on the command line, and what else is there.

    Raises:
        UsageError: there is no such language.
    """
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--lang":
            words = 1 if equals else 2
            wanted = value if equals else "".join(arguments[place + 1 : place + 2])
            if wanted not in i18n.LANGUAGES:
                raise UsageError(
                    _("--lang {wanted}: not an available language", wanted=wanted),
                    _("Available: {languages}", languages=", ".join(i18n.LANGUAGES)),
                )
            return wanted, arguments[:place] + arguments[place + words :]
    return None, arguments


def _complain(message: str, hint: str) -> None:
    _say(_("error: {message}", message=Lines(message)), hint)


def _say(*texts: str) -> None:
    """Print texts to standard error; on a terminal, their lines are broken between words."""
    for text in filter(None, texts):
        if sys.stderr.isatty():
            text = "\n".join(wrapped(text, get_terminal_size().columns - 1, words_whole=True))
        try:
            print(text, file=sys.stderr)
        except OSError:  # it is full, or nobody reads it: the exit code remains
            terminal_loss.lose_output()


def _write_traceback() -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="srwizard-", suffix=".txt", delete=False, encoding="utf-8"
    ) as stream:
        traceback.print_exc(file=stream)
        return stream.name


if __name__ == "__main__":
    main()
