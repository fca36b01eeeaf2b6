"""What is in raw files, as a table: in the wizard, and by `srwizard inspect FILE`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.text import Text

from srwizard.base.console import Table
from srwizard.base.i18n import labelled, listed
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n

if TYPE_CHECKING:
    from srwizard.data.prepare.look import Contents, SourceVariable

HOURS_A_DAY = 24
DAYS_OF_A_MONTH = (28, 31)
DAYS_OF_A_YEAR = (360, 366)
"""The least and the most; what lies between are parts of a mean year."""


def contents_table(contents: "Contents") -> Table:
    """Return the table."""
    table = Table.grid(padding=(0, 2))
    table.title, table.title_justify = _("Raw files"), "left"
    table.title_style = "bold"
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for title, text in _rows(contents):
        table.add_row(title, Text(text))
    return table


def _rows(contents: "Contents") -> Iterator[tuple[str, str]]:
    files = str(contents.paths[0])
    if len(contents.paths) > 1:
        first, last = contents.paths[0], contents.paths[-1]
        files = _("{count}, from {first} to {last}", count=len(contents.paths), first=first,
                  last=last.name if last.parent == first.parent else last)  # fmt: skip
    yield _("Files"), files
    if len(contents.opened) < len(contents.paths):
        yield "", _("{count} of them were opened; times and steps refer to these",
                    count=len(contents.opened))  # fmt: skip
    for one in contents.variables:
        if one.usable:
            for place, line in enumerate(_lines(one)):
                yield ("" if place else one.name), line
    for one in contents.variables:
        if not one.usable:
            yield _("Not usable"), labelled(one.name, one.problem)


def _lines(one: "SourceVariable") -> Iterator[str]:
    name = listed(part for part in (one.long_name, f"[{one.units}]" if one.units else "") if part)
    sizes = listed(f"{dimension} {size}" for dimension, size in one.dimensions.items())
    yield " · ".join(part for part in (name, sizes) if part)
    facts = [_times_text(one)]
    if one.depths:
        facts.append(
            _n(
                "{count} level: {low:g}",
                "{count} levels from {low:g} to {high:g}",
                len(one.depths),
                count=len(one.depths),
                low=min(one.depths),
                high=max(one.depths),
            )
            + f" {one.depth_units}".rstrip()
        )
    facts.append(_("global") if one.is_global else _("not global"))
    if one.is_mask:
        facts.append(_("probably a mask"))
    yield " · ".join(facts)
    if one.time_problem:
        yield _("times that cannot be used: {problem}", problem=one.time_problem)
    if one.low is not None and one.high is not None and one.land_share is not None:
        yield _("a sample: values {low:.4g} to {high:.4g}, {land:.1f} % without a value",
                low=one.low, high=one.high, land=100 * one.land_share)  # fmt: skip
    for suspicion in one.suspicions:
        yield _("check this: {what}", what=suspicion)


def _times_text(one: "SourceVariable") -> str:
    if not one.first:
        return _n(
            "{steps} step without a time",
            "{steps} steps without a time",
            one.steps,
            steps=one.steps,
        )
    text = _n(
        "{steps} step, {first}",
        "{steps} steps from {first} to {last}",
        one.steps,
        steps=one.steps,
        first=one.first[:10],
        last=one.last[:10],
    )
    every = _interval(one.step_hours)
    return text if every is None else _("{steps} {every}", steps=text, every=every)


def _interval(hours: float | None) -> str | None:
    if hours is None:
        return None
    if hours < HOURS_A_DAY:
        return _("every {hours:g} h", hours=hours)
    days = hours / HOURS_A_DAY
    if DAYS_OF_A_MONTH[0] <= days <= DAYS_OF_A_MONTH[1]:
        return _("about every month")
    if DAYS_OF_A_YEAR[0] <= days <= DAYS_OF_A_YEAR[1]:
        return _("about every year")
    return _n("every day", "every {days:g} days", days, days=days)
