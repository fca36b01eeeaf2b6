"""Reading the steps of sources: a window of steps at a time, masked as the user says."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import h5py
import numpy as np
import numpy.typing as npt
import xarray as xr

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.data.coordinates import Window
from srwizard.data.fields import FloatField
from srwizard.data.prepare.looked_up_once import looked_up_once
from srwizard.data.prepare.masking import land_of, without
from srwizard.data.prepare.opening import filter_error, open_source
from srwizard.data.prepare.read_ahead import fetch_ahead
from srwizard.data.prepare.source import SourceField, Step, windows
from srwizard.data.prepare.stored import read_stored

Opened = TypeVar("Opened")
WINDOWS_AHEAD = 4
"""The next ones are read by the other processes."""


class StepReader(AbstractContextManager["StepReader"]):
    """Reads the fields of steps; holds at most one source open and one window of steps in memory.

    Args:
        window: the rows and columns that are read; None: all of them.

    Attributes:
        outside: how many values, so far, lay outside of the valid range of their variable.
    """

    def __init__(self, window: Window | None = None) -> None:
        self._window = window
        self._open: tuple[Path, Callable[[Path], Any], Any] | None = None
        self._land: tuple[SourceField, npt.NDArray[np.bool_]] | None = None
        self._fetched: tuple[tuple[Path, str] | None, int] = (None, 0)
        self.outside = 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def fields(self, steps: Sequence[Step]) -> Iterator[FloatField]:
        """Yield the field `[H, W]` of each step; see `read`.

        Raises:
            DatasetError: a source cannot be read, or holds infinite values.
        """
        for window in windows(steps):
            for step, field in zip(window, self.read(window), strict=True):
                if np.isinf(field).any():
                    raise infinite_values(step)
                yield field

    def read(self, steps: Sequence[Step]) -> FloatField:
        """Return `[N, H, W]` of consecutive steps in physical units, NaN where there is no value.

        Infinite values are left: refuse them with `infinite_values`.

        Raises:
            DatasetError: the source cannot be read.
        """
        source = steps[0].source
        fields = without(self._stored(source, steps[0].index, steps[-1].index + 1), source.missing)
        if source.mask is not None:
            fields = np.where(self._masked(source.mask, steps), np.float32(np.nan), fields)
        if source.valid is not None:
            outside = (fields < source.valid[0]) | (fields > source.valid[1])
            self.outside += int(outside.sum())
            fields = np.where(outside, np.float32(np.nan), fields)
        return fields

    def _masked(
        self, mask: tuple[SourceField, tuple[float, ...]], steps: Sequence[Step]
    ) -> npt.NDArray[np.bool_]:
        """Return `[N, H, W]` or `[1, H, W]`, where there is no water."""
        source, values = mask
        if source.steps > 1:
            return land_of(self._stored(source, steps[0].index, steps[-1].index + 1), values)
        if self._land is None or self._land[0] != source:
            self._land = source, land_of(self._stored(source, 0, 1), values)
        return self._land[1]

    def _stored(self, source: SourceField, first: int, stop: int) -> FloatField:
        """Return `[N, H, W]` of consecutive steps as the source has them."""
        columns = (slice(None),) if self._window is None else self._window.columns
        parts = [self._part(source, slice(first, stop), part) for part in columns]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)

    def _part(self, source: SourceField, steps: slice, columns: slice) -> FloatField:
        """Return `[N, H, W]`, the values of one range of columns."""
        axes = source.axes
        place: dict[str, int | slice] = dict.fromkeys(axes.squeezed, 0)
        rows = slice(None) if self._window is None else self._window.rows
        place |= {axes.rows: rows, axes.columns: columns}
        if axes.level is not None:
            place[axes.level[0]] = axes.level[1]
        order = [axes.rows, axes.columns]
        if axes.time.dimension is not None:
            place[axes.time.dimension] = steps
            order.insert(0, axes.time.dimension)
        try:
            values = self._variable(source, place).transpose(*order).values
        except (OSError, RuntimeError, ValueError, EOFError) as error:
            lacking = filter_error(source.path)
            if lacking is not None:
                raise lacking from error
            raise DatasetError(
                _("{variable} cannot be read from {path}: {reason}.",
                  variable=source.variable, path=source.path, reason=error),
                _("The file may be damaged or cut short; fetch it again."),
            ) from error  # fmt: skip
        with np.errstate(over="ignore"):  # what overflows is found as infinite by the caller
            fields: FloatField = values.astype(np.float32, copy=False)
        return fields if axes.time.dimension is not None else fields[None]

    def _variable(self, source: SourceField, place: Mapping[str, int | slice]) -> xr.Variable:
        """Return what lies at a place of a variable; values that are not read yet, perhaps."""
        if source.stored is not None:
            file = self._opened(source.path, looked_up_once)
            found = read_stored(file, source.stored, place)
            if found is not None:
                self._fetch_next(file, source, place)
                return found
        dataset, name = self._opened(source.path, open_source).dataset_of(source.variable)
        # Without its coordinates, which take as long to select from as a field to read.
        return dataset.variables[name].isel(place)

    def _fetch_next(
        self, file: h5py.File, source: SourceField, place: Mapping[str, int | slice]
    ) -> None:
        """Have the windows fetched that come after the one that was read."""
        time, stored = source.axes.time.dimension, source.stored
        if stored is None or time is None or not isinstance(steps := place[time], slice):
            return
        of_before = self._fetched[1] if self._fetched[0] == (source.path, stored.path) else 0
        begin = max(steps.stop, of_before)
        end = steps.stop + WINDOWS_AHEAD * (steps.stop - steps.start)
        self._fetched = (source.path, stored.path), end
        index = [slice(begin, end) if name == time else place.get(name, slice(None))
                 for name in stored.dimensions]  # fmt: skip
        fetch_ahead(file, stored.path, index)

    def _opened(self, path: Path, opening: Callable[[Path], Opened]) -> Opened:
        """Return the file that is open in this way; another one is closed."""
        if self._open is None or self._open[:2] != (path, opening):
            self._close()
            self._open = path, opening, opening(path)
        opened: Opened = self._open[2]
        return opened

    def _close(self) -> None:
        if self._open is not None:
            self._open[2].close()
        self._open = None


class InfiniteValuesError(DatasetError):
    """A step has infinite values."""


def infinite_values(step: Step) -> InfiniteValuesError:
    """Return the error to raise where a step has infinite values."""
    return InfiniteValuesError(
        _("{variable} has infinite values in {path}, step {step}.",
          variable=step.source.variable, path=step.source.path, step=step.index),
        _("Take them for missing: {options}", options="--missing-value inf --missing-value -inf"),
    )  # fmt: skip
