"""Guide fields: HR fields that inform the network at the resolution of its output.

They come to it as blocks of the scale x scale HR points in each LR point: channels on the LR grid,
which are the same fields and no less.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.data.fields import FloatField
from srwizard.data.layout import Contents
from srwizard.data.split_names import SPLITS
from srwizard.data.statics import read_static, standardized, static_files, usable_on

F = TypeVar("F", bound=np.generic)


def usable_as_guides(contents: Contents, shape: tuple[int, int]) -> tuple[str, ...]:
    """Return the names of those HR static fields that fit on a grid of `shape` `[H, W]`."""
    return usable_on(contents, "hr", shape)


def gaps_in_guides(
    contents: Contents, variables: Sequence[str], names: Sequence[str]
) -> str | None:
    """Say which static guide has gaps where the first step of HR has values; None: none has."""
    static = parted(contents, names)[0]
    try:
        water = np.any(
            [np.isfinite(contents.fields["train", "hr", name].read(0)) for name in variables],
            axis=0,
        )
        guide_fields(contents, static, water)
    except DatasetError as error:
        return error.message
    except (OSError, ValueError):
        return None  # that is told where the fields are looked at
    return None


def guide_fields(
    contents: Contents, names: Sequence[str], water: npt.NDArray[np.bool_]
) -> FloatField:
    """Return static guides `[G, H, W]` of mean 0 and spread 1 over their values; 0 in gaps.

    Args:
        contents: the dataset.
        names: of HR static fields.
        water: `[H, W]`, where HR has values: there guides must have one, too.

    Raises:
        DatasetError: one is missing, damaged, does not fit the grid, or has gaps in the water.
    """
    guides = np.zeros((len(names), *water.shape), dtype=np.float32)
    for guide, name in zip(guides, names, strict=True):
        values = read_static(contents, "hr", name, (water.shape[0], water.shape[1]))
        refuse_gaps(values, water, str(static_files(contents, "hr")[name]))
        guide[...] = standardized(values)
    return guides


def refuse_gaps(values: npt.NDArray[np.floating], water: npt.NDArray[np.bool_], name: str) -> None:
    """Refuse a guide without a value where HR has one.

    Raises:
        DatasetError: says where.
    """
    missing = water & ~np.isfinite(values)
    if missing.any():
        row, column = (int(place[0]) for place in np.nonzero(missing))
        raise DatasetError(
            _n(
                "data.guides: {name} has no value at a point where HR has one, in row {row}, "
                "column {column}",
                "data.guides: {name} has no value at {count} points where HR has one, the first in "
                "row {row}, column {column}",
                int(missing.sum()),
                name=name,
                count=int(missing.sum()),
                row=row,
                column=column,
            ),
            _(
                "Fill its gaps in the water, or leave it out of data.guides; on land it may have "
                "any value or none."
            ),
        )


def parted(contents: Contents, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return which guides are static fields of a dataset, and which are variables of it."""
    static, variables = static_files(contents, "hr"), contents.variables()
    varying = [name for name in names if name not in static and name in variables]
    return [name for name in names if name not in varying], varying


def scales_of(
    contents: Contents, variables: Sequence[str], names: Sequence[str]
) -> dict[str, list[float]]:
    """Return mean and spread over the training split of those guides that are variables.

    Args:
        contents: the dataset; every step of it is read.
        variables: that are trained on: where they have values guides must have them, too.
        names: of the guides.

    Raises:
        DatasetError: one has gaps where HR has values.
    """
    found = {}
    for name in parted(contents, names)[1]:
        sums = np.zeros(3)
        for split in SPLITS:
            guide = contents.fields[split, "hr", name]
            for step in range(len(guide.steps)):
                values = guide.read(step).astype(np.float64)
                water = np.any(
                    [
                        np.isfinite(contents.fields[split, "hr", one].read(step))
                        for one in variables
                    ],
                    axis=0,
                )
                refuse_gaps(values, water, str(guide.path(step)))
                if split == "train":
                    there = values[np.isfinite(values)]
                    sums += there.size, there.sum(), np.square(there).sum()
        mean = sums[1] / max(sums[0], 1)
        variance = sums[2] / max(sums[0], 1) - mean**2
        found[name] = [float(mean), float(np.sqrt(variance)) if variance > 0 else 1.0]
    return found


def scaled(values: FloatField, scale: Sequence[float]) -> FloatField:
    """Return a guide with mean 0 and spread 1, see `scales_of`; 0 in gaps."""
    mean, spread = np.float32(scale[0]), np.float32(scale[1])
    found: FloatField = np.nan_to_num((values - mean) / spread, copy=False, nan=0.0)
    return found


def as_blocks(fields: npt.NDArray[F], scale: int) -> npt.NDArray[F]:
    """Return `[G, H, W]` as `[G * scale ** 2, h, w]`, as `torch.pixel_unshuffle` does."""
    count, height, width = fields.shape
    parts = fields.reshape(count, height // scale, scale, width // scale, scale)
    blocks = parts.transpose(0, 2, 4, 1, 3)
    return blocks.reshape(count * scale**2, height // scale, width // scale)
