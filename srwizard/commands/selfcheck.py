"""`srwizard selfcheck`: train where the best possible answer is known."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from srwizard.base.console import Console
from srwizard.base.errors import InterruptedByUserError, TrainingFailedError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.base.typed_paths import at_home
from srwizard.commands.options import as_json_option, command, out_option, print_json

if TYPE_CHECKING:
    from srwizard.models.card import Family, ModelCard
    from srwizard.selfcheck.check import Outcome, Place
    from srwizard.selfcheck.optimum import Optimum

DEFAULT = "EDSR"


@command(_("Check that training works: fields whose best possible RMSE is known exactly."))
@click.option("--model", metavar="MODEL", help=_("Model to check. [default: EDSR]"))
@click.option("--long", "every", is_flag=True, help=_("Check every model; this takes hours."))
@click.option(
    "--device",
    metavar="DEVICE",
    help=_("cpu, cuda or cuda:N. [default: a GPU if available]"),
)
@out_option(
    "DIR",
    _("Keep data, runs and predictions there; an interrupted check continues from them. "
      "[default: a temporary directory]"),
)  # fmt: skip
@as_json_option
def selfcheck(
    model: str | None, every: bool, device: str | None, out: Path | None, as_json: bool
) -> None:
    if every and model is not None:
        raise UsageError(_("give either --model or --long"), _("--long checks every model."))
    from srwizard.models.catalog import card, cards
    from srwizard.selfcheck.check import FIELDS, Place
    from srwizard.selfcheck.device import device_named
    from srwizard.selfcheck.optimum import optimum_of

    chosen = list(cards().values()) if every else [card(model or DEFAULT)]
    on = device_named(device)
    screen = Console(stderr=as_json)
    for line in _times(chosen):
        screen.print(line, highlight=False)
    with _directory(out) as directory:
        optima = {family: optimum_of(FIELDS[family]) for family in {one.family for one in chosen}}
        outcomes, failed = _checked(chosen, optima, Place(directory, on, to_stderr=as_json), screen)
    if as_json:
        print_json(_content(optima[chosen[0].family].rmse, on.name, outcomes, failed))
    wrong = [one.model for one in outcomes if not one.passed] + list(failed)
    if wrong:
        raise TrainingFailedError(
            _("the self-check failed for: {models}", models=", ".join(wrong)),
            _where_the_reports_are(out),
        )


def _checked(
    chosen: "list[ModelCard]",
    optima: "Mapping[Family, Optimum]",
    place: "Place",
    screen: Console,
) -> "tuple[list[Outcome], dict[str, str]]":
    """Check one model after the other; return what came of them, and why some failed."""
    from srwizard.selfcheck.check import check
    from srwizard.selfcheck.commands import CommandFailedError
    from srwizard.selfcheck.recipes import recipe_of
    from srwizard.selfcheck.table import table, verdict_lines

    outcomes, failed = [], {}
    for one in chosen:
        try:
            outcome = check(one, recipe_of(one), optima[one.family], place)
        except CommandFailedError as error:
            if len(chosen) == 1:
                raise
            failed[one.name] = error.message
            screen.print(f"{one.name}: {error.message}", highlight=False, markup=False)
            continue
        outcomes.append(outcome)
        screen.print(table(outcome))
        for line in verdict_lines(outcome):
            screen.print(line, highlight=False, markup=False, soft_wrap=True)
    return outcomes, failed


def _content(
    bound: float, device: str, outcomes: "list[Outcome]", failed: dict[str, str]
) -> dict[str, Any]:
    """Return what --json prints; docs/selfcheck.md describes it."""
    return {
        "bound": bound,
        "device": device,
        "models": [one.as_json() for one in outcomes],
        "failed": failed,
        "passed": not failed and all(one.passed for one in outcomes),
    }


def _times(chosen: "list[ModelCard]") -> Iterator[str]:
    """Say what the check takes, before it begins."""
    from srwizard.base.sizes_and_times import duration_text
    from srwizard.selfcheck.recipes import recipe_of

    known = {one.name: recipe_of(one).minutes for one in chosen}
    unknown = [name for name, minutes in known.items() if minutes is None]
    measured = sum(minutes for minutes in known.values() if minutes is not None)
    names = ", ".join(name for name in known if name not in unknown)
    if names:
        yield _("{models}: about {time} on two CPU cores", models=names,
                time=duration_text(60 * measured))  # fmt: skip
    if unknown:
        yield _("{models}: time not known; the dry run will tell it", models=", ".join(unknown))


@contextmanager
def _directory(out: Path | None) -> Iterator[Path]:
    """Yield the directory to work in; a temporary one is removed at the end."""
    from srwizard.selfcheck.commands import CommandFailedError

    try:
        with nullcontext(out) if out is not None else _temporary() as directory:
            yield at_home(directory).absolute()
    except (InterruptedByUserError, KeyboardInterrupt):
        raise InterruptedByUserError(
            _("the self-check was interrupted"),
            _("Nothing was kept. With -o DIR, the same command can continue later.")
            if out is None
            else _("Run the same command again to continue from {path}.", path=out),
        ) from None
    except CommandFailedError as error:
        error.hint = _where_the_reports_are(out)
        raise


@contextmanager
def _temporary() -> Iterator[Path]:
    try:
        made = tempfile.TemporaryDirectory(prefix="srwizard-selfcheck-")
    except OSError as error:
        raise UsageError(
            _("no temporary directory can be made: {reason}", reason=reason_of(error)),
            _("Free some space there, or choose another directory: -o DIR"),
        ) from None
    with made as path:
        yield Path(path)


def _where_the_reports_are(out: Path | None) -> str:
    if out is None:
        return _("Run it again with -o DIR to keep the runs, and read their reports.")
    return _("The runs and their reports are in {path}.", path=out)
