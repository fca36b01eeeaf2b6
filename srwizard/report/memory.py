"""The memory of a run: predicted, measured by the dry run, and what training really took."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from srwizard.base.errors import SrwizardError
from srwizard.base.i18n import translate as _
from srwizard.base.sizes_and_times import bytes_text
from srwizard.report.names import verdict_text
from srwizard.report.records import Run
from srwizard.report.tables import Table, tables_of, text_of


@dataclass(frozen=True)
class Memory:
    """What is known of it; `ratio` is that of the measured peak to the capacity."""

    sentence: str
    ratio: float | None
    tables: list[Table]


def memory(run: Run) -> Memory | None:
    """Put it into a sentence and tables; None where nothing is known."""
    dry_run = run.dry_run or {}
    compared = _compared(run, dry_run)
    if not dry_run and not compared:
        return None
    sentence, ratio = _sentence(dry_run) if dry_run else ("", None)
    head = (_("Peak"), _("Bytes"), _("Compared with the measured peak"))
    tables = [Table(_("Predicted, measured, actual"), head, compared)] if compared else []
    shown = {  # the range test is a figure
        key: value for key, value in dry_run.items() if key != "lr_range" and value is not None
    }
    return Memory(sentence, ratio, [*tables, *tables_of(shown, _("Dry run"))])


def _compared(run: Run, dry_run: Mapping[str, Any]) -> list[tuple[str, ...]]:
    measured = dry_run.get("peak_bytes")
    peaks = [epoch.peak_memory_bytes for epoch in run.metrics.epochs]
    actual = max((peak for peak in peaks if math.isfinite(peak)), default=None)
    rows = (
        (_("predicted, without allocating"), predicted_bytes(run)),
        (_("measured by the dry run"), measured),
        (_("actual, in training"), actual),
    )
    return [
        (name, bytes_text(value), _background(value, measured))
        for name, value in rows
        if isinstance(value, int | float)
    ]


def _background(value: float, measured: Any) -> str:
    if not isinstance(measured, int | float) or not measured:
        return "–"
    return "–" if value == measured else f"{100 * (value / measured - 1):+z.1f} %"


def predicted_bytes(run: Run) -> int | None:
    """Return the peak that was predicted for this run, where the user's cache still knows it."""
    from srwizard.memory import forecast
    from srwizard.settings import run_config

    try:
        known = forecast.known(run_config.load(run.directory))
    except (SrwizardError, OSError, ValueError):
        return None
    return None if known is None else known.peak_bytes


def _sentence(dry_run: Mapping[str, Any]) -> tuple[str, float | None]:
    peak, capacity = dry_run.get("peak_bytes"), dry_run.get("capacity_bytes")
    verdict = verdict_text(text_of(dry_run.get("verdict")))
    ratio = dry_run.get("ratio")
    if isinstance(peak, int | float) and isinstance(capacity, int | float) and capacity > 0:
        ratio = peak / capacity if ratio is None else ratio
        sentence = _(
            "Measured peak: {peak} of {capacity} on {device} ({percent} %). Verdict: {verdict}.",
            peak=bytes_text(peak),
            capacity=bytes_text(capacity),
            device=text_of(dry_run.get("device")),
            percent=f"{100 * ratio:.1f}",
            verdict=verdict,
        )
        return sentence, ratio
    return _("Verdict: {verdict}.", verdict=verdict), ratio
