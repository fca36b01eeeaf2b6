"""Cutting a record, in order of time, into train, valid and test."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from srwizard.base.errors import DatasetError, UsageError
from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.data.prepare.manifest import FieldTally, PreparedSplit
from srwizard.data.prepare.record import Survey
from srwizard.data.prepare.statistics import SplitStatistics
from srwizard.data.prepare.times import Moment
from srwizard.data.prepare.write import SplitSteps
from srwizard.data.split_names import SPLITS, split_words

Split = tuple[float, float, float]

SPLIT_SUM_TOLERANCE = 1e-6


def parse_split(text: str) -> Split:
    """Read "0.7/0.15/0.15", the shares of train, valid and test.

    Raises:
        UsageError: not three numbers above 0 that sum to 1.
    """
    try:
        shares = [float(part) for part in text.split("/")]
    except ValueError:
        shares = []
    if len(shares) != 3:
        raise UsageError(
            _("The split {split} is not three numbers.", split=text),
            _("Write the shares of train, valid and test, e.g. 0.7/0.15/0.15."),
        )
    split = (shares[0], shares[1], shares[2])
    check_split(split)
    return split


def check_split(split: Split) -> None:
    """Refuse shares that are not three numbers above 0 that sum to 1."""
    sound = all(math.isfinite(share) and share > 0 for share in split)
    if not sound or not math.isclose(sum(split), 1.0, abs_tol=SPLIT_SUM_TOLERANCE):
        raise UsageError(
            _("The split {split} is not three numbers above 0 that sum to 1.",
              split="/".join(f"{share:g}" for share in split)),
            _("Write the shares of train, valid and test, e.g. 0.7/0.15/0.15."),
        )  # fmt: skip


def divide(steps: int, split: Split, gap: int, *, climatology: bool = False) -> dict[str, slice]:
    """Cut the steps, in order of time, into train, valid and test, `gap` steps left out between.

    Of a climatology each part has one step at least.

    Raises:
        DatasetError: a part would have no step.
    """
    # As fractions, so that 0.7 + 0.15 of 10 steps is 8.5 exactly on every machine.
    shares = [Fraction(str(share)) for share in split]
    kept = max(steps - gap * (len(SPLITS) - 1), 0)
    bounds = [
        0,
        *(math.floor(sum(shares[:n]) * kept + Fraction(1, 2)) for n in (1, 2)),
        kept,
    ]
    if climatology and kept >= len(SPLITS):
        # Twelve months, or four seasons, are all there is: none of the parts goes without.
        bounds[1] = min(max(bounds[1], 1), kept - 2)
        bounds[2] = min(max(bounds[2], bounds[1] + 1), kept - 1)
    parts = {
        name: slice(start + number * gap, stop + number * gap)
        for number, (name, start, stop) in enumerate(zip(SPLITS, bounds, bounds[1:], strict=False))
    }
    empty = [name for name, part in parts.items() if part.start >= part.stop]
    if empty:
        if kept >= len(SPLITS):
            hint = _("Give more steps, or more even shares, e.g. 0.34/0.33/0.33.")
        elif gap:
            hint = _("Give more steps, or a smaller --gap.")
        else:
            hint = _("Give files that hold at least three time steps together.")
        told = {
            "split": "/".join(f"{share:g}" for share in split),
            "empty": listed(map(split_words, empty)),
        }
        if gap:
            message = _n(
                "With {steps} step, of which the gaps take {gaps}, the split {split} leaves none "
                "for the {empty}.",
                "With {steps} steps, of which the gaps take {gaps}, the split {split} leaves none "
                "for the {empty}.",
                steps,
                steps=steps,
                gaps=steps - kept,
                **told,
            )
        else:
            message = _n(
                "With {steps} step, the split {split} leaves none for the {empty}.",
                "With {steps} steps, the split {split} leaves none for the {empty}.",
                steps,
                steps=steps,
                **told,
            )
        raise DatasetError(message, hint)
    return parts


def named(split: str, part: slice, survey: Survey) -> SplitSteps:
    """Return the steps of a split with their names: their times, or their places in the record."""
    steps = survey.steps[part]
    names = [
        f"{part.start + number:06d}" if step.moment is None else step.moment.basic()
        for number, step in enumerate(steps)
    ]
    return SplitSteps(split, names, [step.moment for step in steps])


def step_name(place: int, moment: Moment | None) -> str:
    """Return how a step is told to the user: its time, or its place in the record."""
    return f"{place:06d}" if moment is None else moment.extended()


def prepared_splits(
    parts: Mapping[str, slice],
    survey: Survey,
    tallies: Mapping[str, FieldTally],
    kept: Mapping[str, Sequence[int]],
) -> dict[str, PreparedSplit]:
    """Return what the manifest states of each split, of which the steps `kept` are there."""
    prepared = {}
    for split, part in parts.items():
        first, last = (
            step_name(part.start + place, survey.steps[part.start + place].moment)
            for place in (kept[split][0], kept[split][-1])
        )
        found = {variable: tally.statistics[split] for variable, tally in tallies.items()}
        prepared[split] = PreparedSplit(
            len(kept[split]),
            first,
            last,
            {variable: (part.low, part.high) for variable, part in found.items()},
            {variable: SplitStatistics.stated(part) for variable, part in found.items()},
        )
    return prepared
