"""The dataset of a self-check, in the layout that `srwizard prepare` writes."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from srwizard.base import files
from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.data.coordinates import Grid
from srwizard.data.prepare.write import Content, SplitSteps, npy_split
from srwizard.data.split_names import SPLITS
from srwizard.selfcheck.fields import GaussianFields

VARIABLE = "field"
SEED = 20
NOTE = "selfcheck.json"
"""Says which fields are in the dataset; written last."""


def write_dataset(root: Path, fields: GaussianFields, steps: Mapping[str, int]) -> None:
    """Write the pairs of all splits, unless they are there; the same for equal arguments.

    Args:
        root: the dataset directory.
        fields: the random field.
        steps: fields in each split; a longer split begins with what a shorter one holds.

    Raises:
        UsageError: there is another dataset, or it cannot be written.
    """
    note = {"fields": asdict(fields), "steps": dict(steps), "seed": SEED}
    if root.exists():
        if files.read_json(root / NOTE) == note:
            return
        raise UsageError(
            _("{path} already exists and is not the dataset of this self-check", path=root),
            _("Choose another directory: -o DIR"),
        )
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
        try:
            for split in SPLITS:
                _write_split(unfinished, split, fields, steps[split])
            files.write_json(unfinished / NOTE, note)
            unfinished.rename(root)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise unwritable(root, error) from None


def unwritable(path: Path, error: OSError) -> UsageError:
    """Return the error of a part of the self-check that cannot be written."""
    return UsageError(
        _("the self-check cannot write {path}: {reason}", path=path, reason=reason_of(error)),
        _("Free some space or get write permission there, or choose another directory: -o DIR"),
    )


def _write_split(root: Path, split: str, fields: GaussianFields, count: int) -> None:
    grids = {
        level: Grid((points, points), None, None)
        for level, points in (("hr", fields.size), ("lr", fields.low_size))
    }
    names = [f"{step:04d}" for step in range(count)]
    steps = SplitSteps(split, names, [None] * count)
    with npy_split(root, Content(grids, {VARIABLE: {}}, ""), steps) as files:
        for step in range(count):
            hr, lr = fields.pair((SEED, SPLITS.index(split), step))
            files.write("hr", VARIABLE, step, hr)
            files.write("lr", VARIABLE, step, lr)
