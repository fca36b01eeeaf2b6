"""How remedies are shown: as a table, and in the menu, with what each is predicted to bring."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from srwizard.base.console import Table
from srwizard.base.i18n import translate as _
from srwizard.base.sizes_and_times import duration_text, megabytes_text
from srwizard.memory.remedy_effects import RemedyEffect
from srwizard.settings.yaml_file import flow


def remedies_table(offered: Sequence[RemedyEffect], title: str | None = None) -> Table:
    """Return the remedies as a numbered table, with their predicted peaks."""
    table = Table(title=title or _("What can be changed"), title_justify="left")
    table.add_column(_("No."))
    table.add_column(_("Remedy"), overflow="fold")
    against_time = any(item.run_seconds is not None for item in offered)
    if against_time:
        table.add_column(_("Whole run"), overflow="fold")
    else:
        table.add_column(_("Predicted peak"), overflow="fold")
        table.add_column(_("Time per epoch"), overflow="fold")
    table.add_column(_("Cost"), overflow="fold")
    for number, item in enumerate(offered, start=1):
        table.add_row(
            str(number),
            Text(item.remedy.title),
            *([note_text(item)] if against_time else [peak_text(item), time_text(item)]),
            Text(_cost(item)),
        )
    return table


def note_text(item: RemedyEffect) -> str:
    """Return what a remedy would bring in a few words: the time, or the peak, "" where unknown."""
    if item.run_seconds is not None:
        return _("about {time}", time=duration_text(item.run_seconds))
    return peak_text(item) if item.peak_bytes is not None else ""


def details(item: RemedyEffect) -> Iterator[str]:
    """Yield what a remedy would bring as lines, as far as it is known."""
    if item.run_seconds is not None:
        yield _("Whole run: {time}", time=note_text(item))
    if item.peak_bytes is not None:
        yield _("Predicted peak: {peak}", peak=peak_text(item))
    if item.time_change is not None:
        yield _("Time per epoch: {change}", change=time_text(item))
    yield _("Cost: {cost}", cost=_cost(item))
    yield _(
        "In the answers file: {changes}",
        changes=", ".join(f"{key}: {flow(value)}" for key, value in item.remedy.changes.items()),
    )


def peak_text(item: RemedyEffect) -> str:
    """Return the predicted peak, and its share of the capacity where that is known."""
    if item.peak_bytes is None:
        return "-"
    text = megabytes_text(item.peak_bytes)
    return f"{text}, {100 * item.share:.0f} %" if item.share is not None else text


def _cost(item: RemedyEffect) -> str:
    return item.remedy.cost if item.gains else _("saves next to nothing here")


def time_text(item: RemedyEffect) -> str:
    """Return how the time of an epoch changes, to the nearest 5 %: more is not known of it."""
    if item.time_change is None:
        return "-"
    return f"{max(5 * round(20 * item.time_change), -95):+d} %".replace("+0 %", "0 %")
