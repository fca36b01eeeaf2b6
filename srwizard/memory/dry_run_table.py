"""The figures of a dry run as a table. Imports no torch."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text

from srwizard.base.console import Table
from srwizard.base.i18n import translate as _
from srwizard.base.signs import good, warning
from srwizard.base.sizes_and_times import duration_text, megabytes_text, memory_name
from srwizard.memory.measure import DryRun
from srwizard.runs.phases import phase_text

WORTH_SAYING = 0.25
"""Of the processor time, the share of others from which on the times are longer for it."""


def dry_run_table(result: DryRun) -> Table:
    """Return the figures of a dry run as a table."""
    table = Table(title=_("Dry run"), show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row(_("Verdict"), styled_verdict(result.verdict))
    table.add_row(_("Device"), Text(result.device))
    table.add_row(_("Peak"), Text(_peak_text(result)))
    if result.host_peak_bytes is not None and result.host_capacity_bytes is not None:
        table.add_row(
            _("Main memory"),
            _(
                "{peak} of {capacity}",
                peak=megabytes_text(result.host_peak_bytes),
                capacity=megabytes_text(result.host_capacity_bytes),
            ),
        )
    if result.address_space_bytes is not None:
        table.add_row(
            _("Address space"),
            _("{limit} (ulimit -v), of which libraries and threads take their part",
              limit=megabytes_text(result.address_space_bytes)),
        )  # fmt: skip
    if result.predicted_bytes is not None:
        table.add_row(_("Predicted"), megabytes_text(result.predicted_bytes))
    for figures in result.ranks if len(result.ranks) > 1 else []:
        table.add_row(
            _("Rank {rank}", rank=figures["rank"]), megabytes_text(int(figures["peak_bytes"]))
        )
    if result.step_seconds is not None and result.epoch_seconds is not None:
        table.add_row(
            _("Time"),
            _(
                "{step} a step, about {epoch} an epoch",
                step=_("{seconds:.3g} s", seconds=result.step_seconds),
                epoch=duration_text(result.epoch_seconds),
            ),
        )
    if result.run_seconds is not None:
        table.add_row(
            _("Rest of the run") if result.epochs_done else _("Whole run"),
            _(
                "about {run}, of which an epoch's validation takes {validation}",
                run=duration_text(result.run_seconds),
                validation=duration_text(result.validation_seconds or 0),
            ),
        )
    if result.others_share is not None and result.others_share >= WORTH_SAYING:
        table.add_row(
            "",
            _("other programs took {percent:.0f} % of the processor time meanwhile; without them "
              "it would take less", percent=100 * result.others_share),
        )  # fmt: skip
    if result.lr_range is not None:
        table.add_row(_("Learning rate"), Text(_lr_text(result.lr_range)))
    return table


def _lr_text(found: dict[str, Any]) -> str:
    if found["proposed"] is None:
        return _("the range test proposes none: the loss did not fall at any")
    lowest = found["lr"][found["smoothed"].index(min(found["smoothed"]))]
    return _(
        "{lr:g} proposed by the range test (the loss was lowest at {lowest:.2g})",
        lr=found["proposed"],
        lowest=lowest,
    )


def _peak_text(result: DryRun) -> str:
    if result.peak_bytes is None:
        where = f" ({phase_text(result.phase)})" if result.phase else ""
        return _("out of memory: {reason}", reason=f"{result.reason}{where}")
    if result.ratio is None:
        return _("{peak}, and no memory is free", peak=megabytes_text(result.peak_bytes))
    return _(
        "{peak} of {capacity}, {percent:.1f} %",
        peak=megabytes_text(result.peak_bytes),
        capacity=megabytes_text(result.capacity_bytes),
        percent=100 * result.ratio,
    )


def verdict_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a verdict means, with its figures.

    Args:
        found: `verdict`, `measured_bytes` (None where memory ran out in the dry run),
            `capacity_bytes`, and `device` as dry_run.json names it.
    """
    verdict, peak, capacity = map(found.get, ("verdict", "measured_bytes", "capacity_bytes"))
    if verdict is None:
        return
    memory, there = memory_name(found.get("device") or ""), megabytes_text(capacity or 0)
    if peak is None:
        yield warning(
            _("The dry run ran out of {memory}; {there} was available.", memory=memory, there=there)
        )
        return
    figures = {
        "memory": memory,
        "peak": megabytes_text(peak),
        "there": there,
        "percent": f"{100 * peak / capacity:.1f}" if capacity else "-",
    }
    if verdict == "fits":
        yield good(_("Enough {memory}: the peak is {peak} of {there} ({percent} %).", **figures))
    elif verdict == "tight":
        yield warning(_("Tight {memory}: the peak is {peak} of {there} ({percent} %).", **figures))
        yield tight_text(memory)
    else:
        yield warning(
            _("Not enough {memory}: the peak is {peak}, and {there} is available.", **figures)
        )


def tight_text(memory: str) -> str:
    """Return what it means that memory is tight."""
    return _(
        "Tight means: it fitted in the dry run, but {memory} use varies during training, so the "
        "run may still run out of it later.",
        memory=memory,
    )


def styled_verdict(verdict: str) -> Text:
    """Return a verdict in the user's language and in its colour."""
    shown = {
        "fits": (_("fits"), "green"),
        "tight": (_("tight"), "yellow"),
        "does not fit": (_("does not fit"), "red"),
    }
    text, style = shown[verdict]
    return Text(text, style=style)
