"""The `srwizard` command: choose the language, run, and turn errors into messages."""

import sys
import tempfile
import traceback

from srwizard import i18n
from srwizard.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, InterruptedByUserError, SrwizardError
from srwizard.i18n import translate as _


def main() -> None:
    """Run the command line. Exits with the codes of `srwizard.errors`."""
    i18n.set_language(_wanted_language(sys.argv[1:]))
    # The texts of the commands are made when the module is imported: language first.
    from srwizard.cli import app

    try:
        app()
    except InterruptedByUserError as error:
        print(error.message, error.hint, sep="\n", file=sys.stderr)
        sys.exit(error.exit_code)
    except SrwizardError as error:
        _complain(error.message, error.hint)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _complain(_("interrupted"), "")
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        _complain(
            _("srwizard itself failed: {kind}: {error}", kind=type(error).__name__, error=error),
            _("Details are in {path}; please report them.", path=_write_traceback()),
        )
        sys.exit(EXIT_INTERNAL)


def _wanted_language(arguments: list[str]) -> str:
    for place, argument in enumerate(arguments):
        name, _equals, value = argument.partition("=")
        if name == "--lang":
            wanted = value or "".join(arguments[place + 1 : place + 2])
            if wanted in i18n.LANGUAGES:
                return wanted
    return i18n.language_from_environment()


def _complain(message: str, hint: str) -> None:
    print(_("error: {message}", message=message), file=sys.stderr)
    if hint:
        print(hint, file=sys.stderr)


def _write_traceback() -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="srwizard-", suffix=".txt", delete=False, encoding="utf-8"
    ) as stream:
        traceback.print_exc(file=stream)
        return stream.name


if __name__ == "__main__":
    main()
