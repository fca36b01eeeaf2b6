"""Fields that do not change in time: bathymetry, longitude, latitude."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.base.special_files import require_file
from srwizard.data.fields import FloatField, read_npy_header
from srwizard.data.layout import Contents, require_root

LATITUDE = "lat"


def static_files(contents: Contents, level: str) -> dict[str, Path]:
    """Return the static fields of a level by their names: `NN_<name>.npy` without its number."""
    return {name_of(path): path for path in contents.statics.get(level, ())}


def name_of(path: Path) -> str:
    """Return the name of the static field in `path`."""
    number, _underscore, name = path.stem.partition("_")
    return name if name and number.isdigit() else path.stem


def usable_as_inputs(contents: Contents, shape: tuple[int, int]) -> tuple[str, ...]:
    """Return the names of those LR static fields that fit on a grid of `shape` `[h, w]`."""
    return usable_on(contents, "lr", shape)


def usable_on(contents: Contents, level: str, shape: tuple[int, int]) -> tuple[str, ...]:
    """Return the names of those static fields of a level that fit on its grid."""
    return tuple(
        name for name, path in static_files(contents, level).items() if _fits(path, name, shape)
    )


def _fits(path: Path, name: str, shape: tuple[int, int]) -> bool:
    try:
        header = read_npy_header(path)
    except (OSError, ValueError):
        return False
    return header.dtype.kind in "fiu" and _on_grid_shape(header.shape, name, shape) is not None


def used_files(
    contents: Contents, inputs: Sequence[str], guides: Sequence[str] = (), *, area_weights: bool
) -> list[Path]:
    """Return the static files that a run reads: those of inputs at LR, and of guides at HR.

    Raises:
        DatasetError: one of them is not there.
    """
    found = [_file(contents, "lr", name) for name in inputs]
    found += [_file(contents, "hr", name) for name in guides]
    if area_weights:
        found.append(_file(contents, "hr", LATITUDE))
    return list(dict.fromkeys(found))


def input_channels(contents: Contents, names: Sequence[str], shape: tuple[int, int]) -> FloatField:
    """Return static fields as input channels `[S, h, w]` of mean 0 and spread 1; 0 in gaps.

    Args:
        contents: the dataset.
        names: of LR static fields.
        shape: `[h, w]` of LR.

    Raises:
        DatasetError: one is missing, damaged, or does not fit the grid.
    """
    channels = np.zeros((len(names), *shape), dtype=np.float32)
    for channel, name in zip(channels, names, strict=True):
        channel[...] = standardized(read_static(contents, "lr", name, shape))
    return channels


def standardized(values: npt.NDArray[np.floating]) -> FloatField:
    """Return a field of mean 0 and spread 1 over its values; 0 where it has none."""
    found = np.zeros(values.shape, dtype=np.float32)
    valid = np.isfinite(values)
    if valid.any():
        spread = values[valid].std() or 1.0
        found[valid] = (values[valid] - values[valid].mean()) / spread
    return found


def relative_areas(contents: Contents, shape: tuple[int, int]) -> FloatField:
    """Return the areas `[1, H, W]` of HR grid points that are equally wide in longitude and
    latitude, relative to one at the equator: the cosine of latitude.

    Args:
        contents: the dataset.
        shape: `[H, W]` of HR.

    Raises:
        DatasetError: there is no latitude, or it does not fit the grid.
    """
    latitude = read_static(contents, "hr", LATITUDE, shape)
    if not (np.abs(latitude) <= 90.001).all():
        path = _file(contents, "hr", LATITUDE)
        raise DatasetError(_("{path}: latitudes must lie between -90 and 90", path=path))
    return np.cos(np.deg2rad(latitude)).clip(0, None).astype(np.float32)[None]


def read_static(
    contents: Contents, level: str, name: str, shape: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """Read a static field `[H, W]`; one of `[H]` or `[W]` is the same along the other direction.

    Raises:
        DatasetError: it is missing, damaged, or does not fit the grid.
    """
    path = _file(contents, level, name)
    try:
        stored = np.load(require_file(path), allow_pickle=False).astype(np.float64)
    except (OSError, ValueError) as error:
        raise DatasetError(
            _("{path} cannot be read: {reason}", path=path, reason=reason_of(error))
        ) from None
    fitting = _on_grid_shape(stored.shape, name, shape)
    if fitting is None:
        raise DatasetError(
            _(
                "{path}: shape {found} does not fit the grid {grid}",
                path=path,
                found=list(stored.shape),
                grid=list(shape),
            )
        )
    return np.broadcast_to(stored.reshape(fitting), shape)


def _on_grid_shape(
    found: tuple[int, ...], name: str, grid: tuple[int, int]
) -> tuple[int, int] | None:
    """Return `found` with a second dimension, so that it stretches over `grid`; None: it cannot."""
    height, width = grid
    if found == grid:
        return grid
    if found == (height,) and (height != width or name.startswith(LATITUDE)):
        return height, 1
    if found == (width,):
        return 1, width
    return None


def _file(contents: Contents, level: str, name: str) -> Path:
    known = static_files(contents, level)
    if name not in known:
        require_root(contents.root)
        raise DatasetError(
            _(
                "the dataset {root} has no static field {name} for {level}; it has {known}",
                root=contents.root,
                name=name,
                level=level,
                known=listed(known) or _("none"),
            ),
            _("Static fields are files static_variables/{level}/NN_<name>.npy.", level=level),
        )
    return known[name]
