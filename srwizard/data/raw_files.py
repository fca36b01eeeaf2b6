"""Which files and stores somebody means who names raw files: paths, patterns, directories.

Imports neither NumPy nor xarray: the wizard asks here whether an answer is a dataset directory.
"""

import glob
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from srwizard.base.errors import UsageError
from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.base.typed_paths import expand, real_path
from srwizard.base.visible import in_shell

SUFFIXES = frozenset({".nc", ".nc4", ".nc3", ".cdf", ".netcdf", ".zarr"})
ZARR_FILES = (".zgroup", ".zmetadata", ".zarray", "zarr.json")
DEPTHS = ("*", "*/*", "*/*/*")
"""Where raw files are looked for in a directory."""
_PARTS = ("train", "valid", "test")


def is_zarr(path: Path) -> bool:
    """Return whether a directory is a Zarr store, of format 2 or 3, or a group or array of one."""
    return path.is_dir() and any((path / name).is_file() for name in ZARR_FILES)


def zarr_store(path: Path) -> tuple[Path, str]:
    """Return the store that a group or array lies in, and its path there: `/` for the store."""
    store = path
    while is_zarr(store.parent):
        store = store.parent
    return store, "/" + "/".join(path.relative_to(store).parts)


def names_raw_files(text: str) -> bool:
    """Return whether an answer means raw files to make a dataset of, and not a dataset directory.

    A directory is taken for a dataset unless it is a Zarr store, or holds raw files and no split.
    """
    named = words(text)
    path = expand(named[0]) if len(named) == 1 else None
    if path is None or not path.exists():
        # A file that is not there is missed as one, not as a directory.
        return len(named) > 1 or (
            path is not None and (_is_pattern(named[0]) or path.suffix.lower() in SUFFIXES)
        )
    if not path.is_dir():
        return True
    if is_zarr(path):
        return True
    try:
        if any(
            (path / f"{part}{suffix}").exists() for part in _PARTS for suffix in ("", ".h5", ".nc")
        ):
            return False
        return bool(_inside(path))
    except OSError:
        return False


def words(text: str) -> list[str]:
    """Return the paths in what was typed: quoted, or with blanks where it is one path."""
    text = text.strip()
    if not text or expand(text).exists():
        return [text] if text else []
    try:
        return shlex.split(text)
    except ValueError:  # an apostrophe in a name
        return [text]


def find_sources(named: Sequence[str]) -> list[Path]:
    """Return the absolute paths of the files and stores that are named, each once.

    Raises:
        UsageError: a path or a pattern names nothing, a directory holds nothing of the kind, or
            cannot be read; or it is a part of a dataset directory.
    """
    found: dict[Path, Path] = {}  # by what it leads to: a link beside its file is the same
    for text in named:
        path = expand(text)
        try:
            for one in _of(text, path):
                found.setdefault(real_path(one), one)
        except OSError as error:
            raise UsageError(
                _("Source {path} cannot be read: {reason}.", path=path, reason=reason_of(error)),
                _("Give the paths of NetCDF files or Zarr stores."),
            ) from error
    for path in found.values():
        _refuse_part_of_dataset(path)
    return list(found.values())


def _refuse_part_of_dataset(path: Path) -> None:
    if not any(part.partition(".")[0] in _PARTS for part in path.parts):
        return
    from srwizard.data.layout import dataset_around, holds_levels  # which load NumPy

    # Raw files may lie in a directory called train, or be called so.
    around = dataset_around(path)
    if around is not None and holds_levels(path, around[0]):
        raise UsageError(
            _("{path} is a part of the dataset directory {root}", path=path, root=around[0]),
            _("Give the directory itself: {root}", root=in_shell(around[0])),
        )


def _of(text: str, path: Path) -> Iterable[Path]:
    if path.exists():
        if not path.is_dir() or is_zarr(path):
            return [path]
        inside = _inside(path)
        if inside:
            return inside
        raise UsageError(
            _("{path} holds neither NetCDF files nor Zarr stores.", path=path),
            _("Their names end in {suffixes}.", suffixes=listed(sorted(SUFFIXES))),
        )
    matching = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    chosen = [one for one in matching if not one.name.startswith(".")]
    if chosen:
        return chosen
    if _is_pattern(text):
        raise UsageError(
            _("No file matches {pattern}.", pattern=path), _("List them with ls first.")
        )
    raise UsageError(
        _("There is no {path}.", path=path), _("Give the paths of NetCDF files or Zarr stores.")
    )


def _inside(directory: Path) -> list[Path]:
    """Return what is raw in a directory; where nothing is, below it (`2010/`, `2010/01/`)."""
    return next((found for deep in DEPTHS if (found := _raw(directory.glob(deep)))), [])


def _raw(paths: Iterable[Path]) -> list[Path]:
    # `._name` are the resource forks that macOS leaves beside the files.
    return sorted(
        path
        for path in paths
        if not path.name.startswith(".")
        and path.suffix.lower() in SUFFIXES
        and (is_zarr(path) if path.is_dir() else True)
    )


def _is_pattern(text: str) -> bool:
    return glob.has_magic(text)
