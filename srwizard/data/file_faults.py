"""What is wrong with a file of a dataset, as far as its header tells."""

from pathlib import Path
from typing import TYPE_CHECKING

from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.data.fields import ArrayHeader

if TYPE_CHECKING:
    import h5py

NUMBERS = "fiu"
"""Kinds of dtype that a field may have."""
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def npy_fault(header: ArrayHeader, size: int) -> str | None:
    """Return what is wrong with a `.npy` file of so many bytes; None for nothing."""
    if header.dtype.hasobject:
        return _("holds pickled Python objects, which are never loaded")
    if header.dtype.kind not in NUMBERS:
        return _("holds {dtype}, not numbers", dtype=str(header.dtype))
    if len(header.shape) != 2 or min(header.shape) < 1:
        return _("shape {found} is not [H, W]", found=list(header.shape))
    if size < header.expected_bytes:
        return _("truncated: {size} bytes of {expected}", size=size, expected=header.expected_bytes)
    if size > header.expected_bytes:
        # A damaged header may say that the values begin elsewhere: they would be read as others.
        return _(
            "damaged: {size} bytes, but {expected} by its header",
            size=size,
            expected=header.expected_bytes,
        )
    return None


def dataset_fault(dataset: "h5py.Dataset") -> str | None:
    """Return what is wrong with a dataset `[N, H, W]` of an HDF5 file; None for nothing."""
    if dataset.dtype.kind not in NUMBERS:
        return _("holds {dtype}, not numbers", dtype=str(dataset.dtype))
    if min(dataset.shape) < 1:
        return _("shape {found} is not [N, H, W]", found=list(dataset.shape))
    return None


def hdf5_fault(file: Path) -> str:
    """Return why an HDF5 file cannot be read, by its first bytes: it is none, or damaged."""
    try:
        with file.open("rb") as stream:
            start = stream.read(8)
    except OSError as error:
        return _("cannot be read: {reason}", reason=reason_of(error))
    if start[:3] == b"CDF":
        return _(
            "is NetCDF-3, which cannot be read by window; convert it to NetCDF-4 (nccopy -k nc4)"
        )
    if start != HDF5_SIGNATURE:
        return _("is not an HDF5 or NetCDF-4 file")
    return _("is damaged or truncated")
