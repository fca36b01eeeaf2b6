"""Where a prediction or a bundle may be written. Imports no torch: a refusal shall come at once."""

from collections.abc import Iterable
from pathlib import Path

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.typed_paths import real_path


def check_target(target: Path, *, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
    """Refuse a target that is in the way.

    Raises:
        UsageError: it is a directory, it is there and not to be replaced, it is one of the inputs,
            or its directory is missing.
    """
    if target.is_dir():
        raise UsageError(
            _("{path} is a directory, not a file", path=target), _("Name a file: -o OUT.nc")
        )
    if target.suffix.lower() == ".zarr":
        raise UsageError(
            _("{path}: predictions are written as NetCDF, not as a Zarr store", path=target),
            _("Name a file: -o OUT.nc"),
        )
    if not target.parent.is_dir():
        raise UsageError(
            _("{path}: the directory {parent} does not exist", path=target, parent=target.parent),
            _("Create it first."),
        )
    if any(real_path(path) == real_path(target) for path in inputs):
        raise UsageError(_("{path} is one of the inputs", path=target), _("Choose another file."))
    if target.exists() and not overwrite:
        raise UsageError(
            _("{path} exists already", path=target),
            _("Choose another file, or replace it: --overwrite"),
        )
