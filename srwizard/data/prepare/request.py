"""What `prepare` was asked to make, as manifest.json keeps it, so that nothing is made twice."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from srwizard.base import files
from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.base.typed_paths import real_path
from srwizard.data.layout import Layout
from srwizard.data.prepare.lr_product import LrSource
from srwizard.data.prepare.masking import Masking
from srwizard.data.prepare.selection import Selection
from srwizard.data.prepare.static_fields import StaticSource
from srwizard.data.prepare.target import MANIFEST_NAME


@dataclass(frozen=True)
class Request:
    """The arguments of `prepare` that its dataset depends on, under the same names."""

    sources: tuple[Path, ...]
    variables: Mapping[str, str]
    scale: int
    split: tuple[float, float, float]
    fmt: Layout = "npy"
    area_weights: bool = False
    lr_method: str = "mean"
    selection: Selection = field(default_factory=Selection)
    depths: tuple[float, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    statics: tuple[StaticSource, ...] = ()
    gap: int = 0
    lr_source: LrSource | None = None
    masking: Masking | None = None
    empty_steps: str = "drop"

    def to_json(self) -> dict[str, Any]:
        """Return it with the size and the time (ns) of every source, which a change shows in.

        Raises:
            UsageError: a source is missing or cannot be read.
        """
        content = asdict(self)
        content["sources"] = [_as_it_is(path) for path in self.sources]
        for static, given in zip(content["statics"], self.statics, strict=True):
            static["path"] = _as_it_is(given.path)
        if self.lr_source is not None:
            content["lr_source"]["paths"] = [_as_it_is(path) for path in self.lr_source.paths]
        mask = None if self.masking is None else self.masking.variable
        if mask is not None and mask.path is not None:
            content["masking"]["variable"]["path"] = _as_it_is(mask.path)
        written: dict[str, Any] = json.loads(
            json.dumps(content, default=str), parse_constant=_as_text
        )
        return written


def is_made_of(root: Path, request: Request) -> bool:
    """Return whether the dataset in `root` was made of these sources, as they are, in this way.

    Raises:
        UsageError: a source is missing or cannot be read.
    """
    manifest = files.read_json(root / MANIFEST_NAME)
    return manifest is not None and manifest.get("request") == request.to_json()


def _as_text(constant: str) -> str:
    """Return Infinity or NaN, which JSON has no number for, as a text."""
    return constant


def _as_it_is(path: Path) -> list[str | int]:
    return [str(real_path(path)), *_size_and_time(path)]


def _size_and_time(path: Path) -> tuple[int, int]:
    """Return the bytes of a file, or of all in a store, and when it was changed last."""
    try:
        found = [path.stat()]
        if path.is_dir():
            found = [one.stat() for one in path.rglob("*") if one.is_file()]
    except OSError as error:
        raise UsageError(
            _("Source {path} cannot be read: {reason}.", path=path, reason=reason_of(error)),
            _("Give the paths of NetCDF files or Zarr stores."),
        ) from error
    return sum(one.st_size for one in found), max((one.st_mtime_ns for one in found), default=0)
