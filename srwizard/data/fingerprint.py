"""A fingerprint of a dataset: cheap to take, and changed by anything that would change a run.

For each file: its name, its size, and blocks of its content (the header, the end, and places
spread between them). Hashing all of a record of hundreds of gigabytes would take longer than
training on it; times of modification are left out because copying a dataset changes them.

This is the only place that knows how a part of a dataset is told from a changed one.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.data.fields import Field
from srwizard.data.layout import LEVELS, SPLITS, Contents

BLOCK_BYTES = 1024
NPY_BLOCKS = 4
HDF5_BLOCKS = 64


def fingerprint(
    contents: Contents,
    variables: Sequence[str],
    statics: Sequence[Path] = (),
    known: MutableMapping[str, str] | None = None,
) -> dict[str, str]:
    """Return a digest for each part of the dataset: `{"train/hr/temp": "…", …}`.

    Args:
        contents: the dataset.
        variables: those that are trained on; others do not count.
        statics: the files of static fields that are used.
        known: digests that were taken of these contents before; they are not taken again, and
            new ones are added.

    Raises:
        DatasetError: a part is not there, or a file cannot be read.
    """
    known = {} if known is None else known
    parts = _parts(contents, variables, statics)
    for part, files in parts.items():
        if part not in known:
            try:
                known[part] = _digest(files)
            except OSError as error:
                raise DatasetError(
                    _(
                        "{path} cannot be read: {reason}",
                        path=error.filename or contents.root,
                        reason=reason_of(error),
                    )
                ) from None
    return {part: known[part] for part in parts}


def changed_parts(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the parts of a dataset that are not in both fingerprints, or not the same."""
    return sorted(part for part in before.keys() | now.keys() if before.get(part) != now.get(part))


def _parts(
    contents: Contents, variables: Sequence[str], statics: Sequence[Path]
) -> dict[str, Iterable[Path]]:
    """Return the files of each part.

    Raises:
        DatasetError: there is no such part.
    """
    parts: dict[str, Iterable[Path]] = {
        "/".join(["static", file.parent.name, file.stem]): [file] for file in statics
    }
    if contents.layout != "npy":
        files = {split: [contents.root / f"{split}.{contents.layout}"] for split in SPLITS}
        return parts | files
    for split in SPLITS:
        for level in LEVELS:
            for variable in variables:
                part = f"{split}/{level}/{variable}"
                if (split, level, variable) not in contents.fields:
                    raise DatasetError(
                        _("the dataset {root} no longer has {part}", root=contents.root, part=part)
                    )
                parts[part] = _files_of(contents.fields[split, level, variable])
    return parts


def _files_of(field: Field) -> Iterator[Path]:
    for index in range(len(field.steps)):
        yield field.path(index)


def _digest(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        total.update(os.fsencode(f"{file.name}:{size};"))
        blocks = NPY_BLOCKS if file.suffix == ".npy" else HDF5_BLOCKS
        with file.open("rb") as stream:
            for place in range(blocks):
                stream.seek(max(0, size - BLOCK_BYTES) * place // (blocks - 1))
                total.update(stream.read(BLOCK_BYTES))
    return total.hexdigest()[:32]
