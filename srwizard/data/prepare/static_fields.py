"""Static fields such as bathymetry, taken from a file of their own on the grid of the sources."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srwizard.base.errors import DatasetError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.typed_paths import expand
from srwizard.data.coordinates import Grid, block_mean
from srwizard.data.fields import FloatField
from srwizard.data.prepare.masking import Masking
from srwizard.data.prepare.pairs import Recipe
from srwizard.data.prepare.reading import StepReader
from srwizard.data.prepare.record import survey_sources
from srwizard.data.undeclared import Undeclared, far_values, undeclared_notes


@dataclass(frozen=True)
class StaticSource:
    """A variable of one file, and the name of the static field that is made of it."""

    path: Path
    variable: str
    name: str


def parse_static(text: str) -> StaticSource:
    """Read "FILE:VARIABLE" or "FILE:VARIABLE=NAME".

    Raises:
        UsageError: it is neither.
    """
    match = re.fullmatch(r"(.+):([^:=]+)(?:=(\w[\w-]*))?", text)
    name = (match[3] or match[2].rpartition("/")[2]) if match else ""
    if match is None or not re.fullmatch(r"\w[\w-]*", name) or name in ("lon", "lat"):
        raise UsageError(
            _("The static field {text} is not FILE:VARIABLE.", text=text),
            _("For example: --static bathymetry.nc:deptho, or with a name of its own "
              "bathymetry.nc:deptho=depth"),
        )  # fmt: skip
    return StaticSource(expand(match[1]), match[2], name)


def static_fields(
    sources: Sequence[StaticSource], grid: Grid, recipe: Recipe, missing: Sequence[float] = ()
) -> Mapping[str, Mapping[str, FloatField]]:
    """Read the static fields and average them to LR as the fields are.

    Args:
        sources: what to read.
        grid: of the sources, whole.
        recipe: window, scale and weights.
        missing: values that stand for none.

    Returns:
        Level (hr, lr) -> name -> `[H, W]` or `[h, w]`, NaN where there is no value.

    Raises:
        UsageError: a file or variable is missing; two have one name.
        DatasetError: it is on another grid, or has more than one step.
    """
    hr: dict[str, FloatField] = {}
    for source in sources:
        if source.name in hr:
            raise UsageError(
                _("Two static fields have the name {name}.", name=source.name),
                _("Give one a name of its own: FILE:VARIABLE=NAME"),
            )
        survey = survey_sources(
            [source.path],
            [source.variable],
            lambda _done, _total: None,
            masking=Masking(tuple(missing)),
        )
        if not survey.grid.matches(grid):
            raise DatasetError(
                _("The static field {name} in {path} is on a different grid ({rows} x "
                  "{columns}) from the sources ({other_rows} x {other_columns}), or its "
                  "longitudes and latitudes differ.", name=source.variable, path=source.path,
                  rows=survey.grid.shape[0], columns=survey.grid.shape[1],
                  other_rows=grid.shape[0], other_columns=grid.shape[1]),
                _("Interpolate it to the grid of the sources first, e.g. with cdo remapbil."),
            )  # fmt: skip
        if len(survey.steps) > 1:
            raise DatasetError(
                _("The static field {name} in {path} has {steps} steps.",
                  name=source.variable, path=source.path, steps=len(survey.steps)),
                _("Give a field that does not change in time."),
            )  # fmt: skip
        with StepReader(recipe.window) as reader:
            hr[source.name] = np.ascontiguousarray(next(reader.fields(survey.steps)))
    return {
        "hr": hr,
        "lr": {
            name: block_mean(field, recipe.scale, recipe.weights).astype(np.float32)
            for name, field in hr.items()
        },
    }


def notes_on_statics(fields: Mapping[str, Mapping[str, FloatField]]) -> list[str]:
    """Say which values of static fields may stand for none."""
    return [
        note
        for name, field in fields["hr"].items()
        if np.isfinite(field).any()
        for note in undeclared_notes(name, Undeclared.of(far_values(field), None))
    ]
