"""A fingerprint of a dataset: cheap to take, and changed by anything that would change a run.

For each file: its name, its size, and blocks of its content (the header, the end, and places
spread between them). Hashing all of a record of hundreds of gigabytes would take longer than
training on it; times of modification are left out because copying a dataset changes them.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from srwizard.data.layout import LEVELS, SPLITS, Contents

BLOCK_BYTES = 1024
NPY_BLOCKS = 4
HDF5_BLOCKS = 64


def fingerprint(
    contents: Contents, variables: Sequence[str], statics: Sequence[Path] = ()
) -> dict[str, str]:
    """Return a digest for each part of the dataset: `{"train/hr/temp": "…", …}`.

    Args:
        contents: the dataset.
        variables: those that are trained on; others do not count.
        statics: the files of static fields that are used.

    Raises:
        OSError: a file cannot be read.
    """
    digests = {
        "/".join(["static", file.parent.name, file.stem]): _digest([file], NPY_BLOCKS)
        for file in statics
    }
    if contents.layout != "npy":
        return digests | {
            split: _digest([contents.root / f"{split}.{contents.layout}"], HDF5_BLOCKS)
            for split in SPLITS
        }
    for split in SPLITS:
        for level in LEVELS:
            for variable in variables:
                found = contents.fields[split, level, variable]
                files = (found.path(index) for index in range(len(found.steps)))
                digests[f"{split}/{level}/{variable}"] = _digest(files, NPY_BLOCKS)
    return digests


def _digest(files: Iterable[Path], blocks: int) -> str:
    total = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        total.update(os.fsencode(f"{file.name}:{size};"))
        with file.open("rb") as stream:
            for place in range(blocks):
                stream.seek(max(0, size - BLOCK_BYTES) * place // (blocks - 1))
                total.update(stream.read(BLOCK_BYTES))
    return total.hexdigest()[:32]
