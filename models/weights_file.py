"""Weights to begin from: which file, what they are for, whether they are still the same. No torch.

A file that `srwizard models --import-weights` wrote, a run directory or a checkpoint in it, or a
bundle that `srwizard export` wrote.
"""

import hashlib
import json
import subprocess
import sys
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from srwizard.base import files
from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.base.special_files import require_file

KEY = "srwizard"
FREE = ("dropout", "sampler", "sampling_steps", "ensemble_members")
"""Parameters that may be others than those that the weights were trained with."""
RUN_CONFIG = "run.yaml"
BUNDLED, BUNDLE_CONFIG = "model.safetensors", "config.json"
"""The files of a bundle that count here."""
IN_A_DIRECTORY = ("checkpoints/best.pt", "checkpoints/last.pt", BUNDLED)
"""Where the weights are in a run directory, or in a bundle: the first that is there."""
READER = "srwizard.models.own_checkpoint"


@dataclass(frozen=True)
class WeightsDescription:
    """The network that the weights in a file are for.

    `skip` has method and weight of the simple method that each variable was trained to start from;
    it is empty where that is not known, None where they were trained without. `guides` are the
    names of the fields that guide it.
    """

    model: str
    params: dict[str, Any]
    in_channels: int
    out_channels: int
    scale: int
    global_skip: bool
    skip: dict[str, tuple[str, float]] | None = None
    guides: list[str] = field(default_factory=list)

    def metadata(self) -> dict[str, str]:
        """Return what stands in the header of the file."""
        return {KEY: json.dumps(asdict(self))}


def located(path: Path) -> Path:
    """Return the file in which the weights are: of a run directory the best ones, else the last.

    Raises:
        UsageError: a directory that holds none.
    """
    if not path.is_dir():
        return path
    for name in IN_A_DIRECTORY:
        if (path / name).is_file():
            return path / name
    raise UsageError(
        _("{path} holds no weights to begin from", path=path),
        _("Name a run directory that has been trained, a bundle that srwizard export wrote, or a "
          "file of weights."),
    )  # fmt: skip


def describe(path: Path) -> WeightsDescription:
    """Read what weights are for; the weights themselves are not read.

    Raises:
        UsageError: they cannot be read, or are not of srwizard.
    """
    path = located(path)
    try:
        stat = require_file(path).stat()
    except OSError as error:
        raise _unreadable(path, error) from None
    return _described(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def _described(path: Path, _modified: int, _size: int) -> WeightsDescription:
    try:
        if path.suffix == ".pt":
            found = TypeAdapter(WeightsDescription).validate_json(_in_checkpoint(path))
            return replace(found, params=_free_parameters_beside(path) | found.params)
        header = _header(path)
        if KEY in header:
            return TypeAdapter(WeightsDescription).validate_json(header[KEY])
        return _in_bundle(path.with_name(BUNDLE_CONFIG))
    except OSError as error:
        raise _unreadable(path, error) from None
    except (KeyError, TypeError, ValueError, subprocess.CalledProcessError):
        raise UsageError(
            _("{path} holds no weights that srwizard knows the network of", path=path),
            _(
                "Name a run directory, a checkpoint in it, a bundle that srwizard export wrote, or "
                "a file made of published weights with: "
                "srwizard models --import-weights FILE --model NAME --scale N -o OUT.safetensors"
            ),
        ) from None


def _in_checkpoint(path: Path) -> bytes:
    """Return what a checkpoint says of its network, read by a process that loads torch."""
    command = [sys.executable, "-P", "-m", READER, str(path)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def _free_parameters_beside(path: Path) -> dict[str, Any]:
    """Return parameters of the run of a checkpoint that the checkpoint itself does not hold.

    Of one that does not lie in its run directory they are not known.
    """
    try:
        run = yaml.safe_load((path.parents[1] / RUN_CONFIG).read_text(encoding="utf-8"))
        params = run["model"]["params"]
        return {name: params[name] for name in FREE if name in params}
    except (OSError, IndexError, KeyError, TypeError, ValueError, yaml.YAMLError):
        return {}


def _header(path: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(path) from error


def _in_bundle(config: Path) -> WeightsDescription:
    content = files.parse_json(config.read_text(encoding="utf-8"))
    network = content["network"]
    return TypeAdapter(WeightsDescription).validate_python(
        {
            "model": network["name"],
            **{name: network[name] for name in ("params", "in_channels", "out_channels", "scale")},
            "global_skip": network["global_skip"],
            "skip": {} if network.get("starts_from_zero") else None,
            "guides": content.get("guides", []),
        }
    )


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
            _("the weights {path} have changed since the run was frozen", path=path),
            _("Restore the earlier file, or freeze the answers again."),
        )


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        _("the weights {path} cannot be read: {reason}", path=path, reason=reason_of(error))
    )
