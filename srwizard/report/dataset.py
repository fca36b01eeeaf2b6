"""The dataset in words: its splits and what `prepare` noted."""

from collections.abc import Mapping
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.base.retell import retell
from srwizard.base.visible import in_one_line
from srwizard.data.split_names import SPLITS, split_title
from srwizard.report.names import plain
from srwizard.report.records import Run
from srwizard.report.tables import Table, number_text, text_of


def data_facts(run: Run) -> list[tuple[str, str]]:
    """Return where the data come from, as far as it is known."""
    data, manifest = run.section("data"), run.manifest
    sources = manifest.get("sources")
    statics, guides = data.get("static_variables"), data.get("guides")
    known = (
        (_("Directory"), data.get("root")),
        (_("Layout"), data.get("layout")),
        (_("Sources"), len(sources) if isinstance(sources, list) else None),
        (_("Low resolution"), plain(str(manifest["method"])) if "method" in manifest else None),
        (_("Calendar"), plain(str(manifest.get("calendar") or "")) or None),
        (_("Static inputs"), statics or None),
        (_("Guides at HR"), guides or None),
    )
    return [(name, text_of(value)) for name, value in known if value is not None]


def data_tables(run: Run) -> list[Table]:
    """Return a table of the splits: steps and times, then the statistics of each variable."""
    steps = run.section("data").get("steps")
    counts = steps if isinstance(steps, dict) else {}
    stated = run.manifest.get("splits")
    splits = stated if isinstance(stated, dict) else {}
    if not counts and not splits:
        return []
    rows: list[tuple[str, ...]] = [
        (split_title(split), text_of(counts.get(split, _entry(splits, split).get("steps"))),
         text_of(_entry(splits, split).get("first")), text_of(_entry(splits, split).get("last")))
        for split in SPLITS
    ]  # fmt: skip
    head: tuple[str, ...] = (_("Split"), _("Steps"), _("First"), _("Last"))
    if not splits:  # only `prepare` knows times
        head, rows = head[:2], [row[:2] for row in rows]
    tables = [Table(_("Splits"), head, rows)]
    statistics = [
        row for split in SPLITS for row in _statistics(split, _entry(splits, split), run.units())
    ]
    if statistics:
        head = (
            _("Variable"), _("Split"), _("Mean"), _("Std"), _("Min"), _("Max"), _("Observed"),
        )  # fmt: skip
        tables.append(Table(_("Statistics of HR"), head, statistics))
    return tables


def data_notes(run: Run) -> list[str]:
    """Return what `prepare` noted."""
    notes = run.manifest.get("notes")
    return [retell(in_one_line(note)) for note in notes] if isinstance(notes, list) else []


def _entry(splits: Mapping[str, Any], split: str) -> Mapping[str, Any]:
    found = splits.get(split)
    return found if isinstance(found, dict) else {}


def _statistics(
    split: str, entry: Mapping[str, Any], units: Mapping[str, str]
) -> list[tuple[str, ...]]:
    found = entry.get("statistics")
    rows = []
    for name, values in found.items() if isinstance(found, dict) else ():
        if not isinstance(values, dict):
            continue
        unit = units.get(str(name), "")
        numbers = [values.get(key) for key in ("mean", "std", "min", "max")]
        share = values.get("observed_share")
        rows.append(
            (
                f"{name} [{unit}]" if unit else str(name),
                split_title(split),
                *("–" if number is None else number_text(float(number), 4) for number in numbers),
                "–" if share is None else f"{100 * share:.1f} %",
            )
        )
    return rows
