"""A file of weights to begin from, as `srwizard models --import-weights` writes it. No torch."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of

KEY = "srwizard"
FREE = ("dropout", "sampler", "sampling_steps", "ensemble_members")
"""Parameters that may be others than those that the weights were trained with."""


@dataclass(frozen=True)
class WeightsDescription:
    """The network that the weights in a file are for."""

    model: str
    params: dict[str, Any]
    in_channels: int
    out_channels: int
    scale: int
    global_skip: bool

    def metadata(self) -> dict[str, str]:
        """Return what stands in the header of the file."""
        return {KEY: json.dumps(asdict(self))}


def describe(path: Path) -> WeightsDescription:
    """Read what the weights in a file are for; the weights themselves are not read.

    Raises:
        UsageError: it cannot be read, or is not a file that srwizard wrote.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from None
    return _described(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def _described(path: Path, _modified: int, _size: int) -> WeightsDescription:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
        return TypeAdapter(WeightsDescription).validate_json(header[KEY])
    except OSError as error:
        raise _unreadable(path, error) from None
    except (SafetensorError, KeyError, ValidationError):
        raise UsageError(
            _("{path} is no file of weights that srwizard wrote", path=path),
            _(
                "Make one of published weights with: "
                "srwizard models --import-weights FILE --model NAME --scale N -o OUT.safetensors"
            ),
        ) from None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        stat = path.stat()
        return _sha256(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise _unreadable(path, error) from None


@lru_cache(maxsize=8)
def _sha256(path: Path, _modified: int, _size: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def verify(path: Path, digest: str) -> None:
    """Make sure that a file is the one that was frozen.

    Raises:
        UsageError: it cannot be read, or has changed.
    """
    if sha256(path) != digest:
        raise UsageError(
            _("the weights {path} are no longer those that were frozen", path=path),
            _("Bring the earlier file back, or freeze the answers anew."),
        )


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        _("the weights {path} cannot be read: {reason}", path=path, reason=reason_of(error))
    )
