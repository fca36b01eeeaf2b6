"""Reading one variable of one split at one resolution, a step or a window at a time."""

import functools
import io
import math
import mmap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from srwizard.base.special_files import require_file
from srwizard.data.hdf5_reading import open_hdf5
from srwizard.data.masked import blank

FloatField = npt.NDArray[np.float32]
Window = tuple[slice, slice]
HEADER_BYTES = 128
"""As long as NumPy makes nearly all headers; the first value of an array stands behind it."""
WHOLE: Window = (slice(None), slice(None))
F = TypeVar("F", bound=np.generic)


def cut(values: npt.NDArray[F], rows: slice, columns: slice) -> npt.NDArray[F]:
    """Return the window `[..., h, w]` of `[..., H, W]`.

    Columns that end beyond the last one go on at the first: the grid goes round the globe.
    """
    return _joined(columns, values.shape[-1], lambda part: values[..., rows, part])


def read_window(field: "Field", index: int, window: Window) -> FloatField:
    """Read a window of a step; its columns may go on at the first, as in `cut`."""
    rows, columns = window
    return _joined(columns, field.shape[1], lambda part: field.read(index, (rows, part)))


def _joined(columns: slice, width: int, take: Callable[[slice], npt.NDArray[F]]) -> npt.NDArray[F]:
    if columns == slice(None) or columns.stop <= width:
        return take(columns)
    parts = slice(columns.start, width), slice(0, columns.stop - width)
    return np.concatenate([take(part) for part in parts], axis=-1)


class OtherShapeError(ValueError):
    """A file holds arrays of another shape than it did when it was looked at."""

    def __init__(self, path: Path, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
        super().__init__(f"{path} has shape {list(found)} instead of {list(expected)}")


class Field(Protocol):
    """A series of `len(steps)` arrays `[H, W]`, in physical units, NaN where there is no value."""

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of the steps, in order of time."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """`[H, W]` of every step."""
        ...

    def read(self, index: int, window: Window = WHOLE) -> FloatField:
        """Return step `index` as float32 `[h, w]`, only `window` of it being read from disk."""
        ...

    def path(self, index: int) -> Path:
        """Return the file that step `index` is read from."""
        ...


@dataclass(frozen=True)
class FieldWithin:
    """What a field that reads another one has of that."""

    inner: Field

    @property
    def steps(self) -> tuple[str, ...]:
        return self.inner.steps

    @property
    def shape(self) -> tuple[int, int]:
        return self.inner.shape

    def path(self, index: int) -> Path:
        return self.inner.path(index)


@dataclass(frozen=True)
class NpyField:
    """One `.npy` file for each step, memory-mapped when read."""

    directory: Path
    steps: tuple[str, ...]
    shape: tuple[int, int]

    def path(self, index: int) -> Path:
        return self.directory / f"{self.steps[index]}.npy"

    def read(self, index: int, window: Window = WHOLE) -> FloatField:
        with self.path(index).open("rb") as stream:
            header = header_at_start(stream)
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                if len(mapped) < header.expected_bytes:
                    raise ValueError(f"{self.path(index)} is truncated")
                if header.shape != self.shape:
                    raise OtherShapeError(self.path(index), header.shape, self.shape)
                stored = np.ndarray(
                    header.shape, header.dtype, mapped, header.offset, order=header.order
                )
                values = np.array(stored[window], dtype=np.float32, order="C")
                del stored  # the map cannot be closed while an array lies on it
        return values


@dataclass(frozen=True)
class HDF5Field:
    """A dataset `[N, H, W]` in an HDF5 or NetCDF4 file, read by window.

    The CF attributes `_FillValue`, `missing_value`, `scale_factor` and `add_offset` are applied,
    and `_Unsigned` of the NetCDF User Guide.
    The file is opened on the first read in each process and stays open.
    """

    file: Path
    dataset: str
    steps: tuple[str, ...]
    shape: tuple[int, int]
    _opened: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def path(self, index: int) -> Path:
        return self.file

    def read(self, index: int, window: Window = WHOLE) -> FloatField:
        stored = self._handle()
        raw = np.asarray(stored[(index, *window)])
        return decode_cf(raw, self._opened["attributes"])

    def _handle(self) -> Any:
        if "dataset" not in self._opened:
            file = open_hdf5(self.file)
            found = file[self.dataset]
            if found.shape[1:] != self.shape:
                raise OtherShapeError(self.file, found.shape[1:], self.shape)
            # Once: to look them up takes as long as to read a small window.
            self._opened.update(file=file, dataset=found, attributes=dict(found.attrs))
        return self._opened["dataset"]

    def __getstate__(self) -> dict[str, Any]:
        # An open HDF5 handle must not cross into a worker process.
        return {**self.__dict__, "_opened": {}}


def is_unsigned(attribute: Any) -> bool:
    """Return whether the attribute `_Unsigned` says that integers are stored without a sign."""
    text = attribute.decode() if isinstance(attribute, bytes) else str(attribute)
    return text.strip().lower() == "true"


def decode_cf(raw: npt.NDArray[Any], attributes: dict[str, Any]) -> FloatField:
    """Turn stored values into physical ones: fill values to NaN, then scale and offset.

    Source: CF conventions, section 8.1 (packed data) and 2.5.1 (missing data).
    """
    unsigned = raw.dtype.kind == "i" and is_unsigned(attributes.get("_Unsigned"))
    if unsigned:
        raw = raw.view(f"u{raw.dtype.itemsize}")
    values = raw.astype(np.float32, order="C")
    for name in ("_FillValue", "missing_value"):
        for fill in np.atleast_1d(attributes.get(name, [])):
            if fill != fill:  # NaN is what is wanted
                continue
            if raw.dtype.kind == "f":
                # 1e20 as float32 is not 1e20 as float64, which attributes are often stored as.
                with np.errstate(over="ignore"):
                    fill = fill.astype(raw.dtype)
            elif unsigned and fill < 0:
                fill = int(fill) + 2 ** (8 * raw.dtype.itemsize)
            gaps = raw == fill
            if gaps.any():
                blank(values, gaps)
    scale, offset = attributes.get("scale_factor"), attributes.get("add_offset")
    if scale is not None:
        values *= np.float32(np.ravel(scale)[0])
    if offset is not None:
        values += np.float32(np.ravel(offset)[0])
    return values


@dataclass(frozen=True)
class ArrayHeader:
    """What the first bytes of a `.npy` file say, without reading its values.

    `offset` is where the values begin, `order` how they follow each other, as in NumPy.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: Literal["C", "F"]
    offset: int

    @property
    def expected_bytes(self) -> int:
        """The size of the file, header and values."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize


def header_at_start(stream: IO[bytes]) -> ArrayHeader:
    """Return the header of an open `.npy` file.

    A header is a Python literal, whose parsing takes longer than reading a small window. The
    files of a series all begin with the same bytes.
    """
    start = stream.read(HEADER_BYTES)
    try:
        return _parsed_header(start)
    except ValueError:  # a header that is longer, or none
        stream.seek(0)
        return _read_header(stream)


@functools.lru_cache(maxsize=64)
def _parsed_header(start: bytes) -> ArrayHeader:
    return _read_header(io.BytesIO(start))


def read_npy_header(path: Path) -> ArrayHeader:
    """Read the header of a `.npy` file.

    Raises:
        ValueError: the file is not a `.npy` file, or its header is damaged.
        OSError: the file cannot be read.
    """
    with require_file(path).open("rb") as stream:
        return _read_header(stream)


def _read_header(stream: IO[bytes]) -> ArrayHeader:
    version = np.lib.format.read_magic(stream)
    read_header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    try:
        shape, fortran_order, dtype = read_header(stream)
    except OSError:
        raise
    except Exception as error:
        # The header is a Python literal: damage shows as whatever its parser stumbles over.
        raise ValueError("damaged header") from error
    return ArrayHeader(shape, dtype, "F" if fortran_order else "C", stream.tell())
