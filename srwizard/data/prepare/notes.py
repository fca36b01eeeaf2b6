"""What the user should know of a dataset that was prepared."""

from collections.abc import Mapping, Sequence

from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.data.lr_methods import MEAN
from srwizard.data.prepare.manifest import FieldTally
from srwizard.data.prepare.units import Conversion
from srwizard.data.undeclared import MOST_NAMED, Undeclared, undeclared_notes

LEAST_LR_CELLS = 4
"""Along each direction: of fewer, no network learns anything."""


def notes_on(
    source: tuple[int, int],
    kept: tuple[int, int],
    tallies: Mapping[str, FieldTally],
    conversions: Mapping[str, Conversion],
) -> list[str]:
    """Say what the user should know: cells left out, steps without values, doubtful values."""
    notes = []
    if source != kept:
        notes.append(
            _("Cells were dropped at the end of the grid, to make it a multiple of the scale "
              "(rows: {rows}, columns: {columns}).",
              rows=source[0] - kept[0], columns=source[1] - kept[1])
        )  # fmt: skip
    for variable, tally in tallies.items():
        if tally.empty_fields:
            notes.append(
                _n(
                    "{variable} has {steps} step without any value.",
                    "{variable} has {steps} steps without any value.",
                    tally.empty_fields,
                    variable=variable,
                    steps=tally.empty_fields,
                )
            )
        if tally.outside:
            notes.append(
                _n(
                    "{variable}: {count} value outside the valid range that the sources declare "
                    "(valid_min, valid_max, valid_range) was taken as missing.",
                    "{variable}: {count} values outside the valid range that the sources declare "
                    "(valid_min, valid_max, valid_range) were taken as missing.",
                    tally.outside,
                    variable=variable,
                    count=tally.outside,
                )
            )
        if tally.jump is not None:
            step, before, after = tally.jump
            notes.append(
                _("{variable}: from step {step} on the values lie between {low:g} and {high:g}; in "
                  "the step before it was {before_low:g} to {before_high:g}. Are some files in "
                  "other units, whatever their units attribute says?",
                  variable=variable, step=step, low=after.low, high=after.high,
                  before_low=before.low, before_high=before.high)
            )  # fmt: skip
        standing = tally.standing_in_source(conversions.get(variable))
        notes += undeclared_notes(variable, Undeclared.of(tally.far, standing))
    return notes


def dropped_note(dropped: Sequence[str]) -> list[str]:
    """Say which steps were left out because they have no value."""
    if not dropped:
        return []
    named = ", ".join(dropped[:MOST_NAMED]) + (", …" if len(dropped) > MOST_NAMED else "")
    return [
        _n(
            "{count} step without any value was left out: {steps}. To keep it: --empty-steps keep",
            "{count} steps without any value were left out: {steps}. To keep them: --empty-steps "
            "keep",
            len(dropped),
            count=len(dropped),
            steps=named,
        )
    ]


def small_notes(shape: tuple[int, int]) -> list[str]:
    """Say that LR fields `[h, w]` are too small to learn from."""
    if min(shape) >= LEAST_LR_CELLS:
        return []
    return [
        _("LR fields have {rows} x {columns} cells only: too few to learn from; choose a smaller "
          "scale or a larger region.", rows=shape[0], columns=shape[1])
    ]  # fmt: skip


def conservation_notes(lr_method: str) -> list[str]:
    """Say that a method does not conserve the mean."""
    if lr_method == MEAN:
        return []
    return [
        _("LR was made by {method}, which does not conserve the mean of HR over an LR cell; only "
          "the method mean does so exactly.", method=lr_method)
    ]  # fmt: skip
