"""The dataset of a run: verified once on each machine, by the process that launches there.

Those that it starts are told what it has found. One that is started by hand is told nothing, and
verifies for itself. Imports no torch.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.data import stored_layout
from srwizard.data.dataset import Dataset
from srwizard.data.file_digests import FileStamp
from srwizard.data.fingerprint import Progress, is_content
from srwizard.data.layout import Contents
from srwizard.data.watched import Seen, watched
from srwizard.settings.run_config import RunConfig

HANDED_ON = "SRWIZARD_VERIFIED_DATASET"
"""Names the file with what the launching process has found, in the environment of the others."""


def verified(
    run: RunConfig,
    dataset: Dataset | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Dataset:
    """Return the dataset of a run, once it is sure that it is the one that was frozen.

    Args:
        run: the run config.
        dataset: as this command has looked at it already; None: it is looked at now.
        progress: called with files looked up and files in all.

    Raises:
        DatasetError: it is gone, unusable, or no longer the same; says which part changed.
    """
    root = Path(run.data.root)
    if dataset is None or (dataset.root, dataset.outliers) != (root, run.data.outliers):
        dataset = Dataset(root, run.data.outliers, periodic=run.data.periodic)
    dataset.scan(progress)
    dataset.mask(run.data.masked)
    changed = dataset.changed(
        run.data.fingerprint,
        run.stamps,
        run.data.variables,
        run.data.static_variables,
        run.data.guides,
        area_weights=run.reads_latitude,
        progress=progress,
    )
    if changed:
        raise DatasetError(
            _("the dataset {root} has changed since it was checked:", root=root)
            + "".join(
                "\n  " + _("{key} has changed", key=f"data.fingerprint.{part}") for part in changed
            ),
            _("Restore the earlier data, or start the wizard again on the new data."),
        )
    return dataset


@contextlib.contextmanager
def handed_on(run: RunConfig, dataset: Dataset | None) -> Iterator[dict[str, str]]:
    """Write down what a verified dataset holds, for as long as the processes of the run are there.

    Yields:
        The environment that tells them of it; empty where nothing can be told, and they verify
        for themselves.
    """
    with contextlib.ExitStack() as stack:
        told: dict[str, str] = {}
        if dataset is not None:
            content = {
                "run": run.digest,
                "dataset": stored_layout.as_json(dataset.contents),
                "seen": dataset.seen,
            }
            with contextlib.suppress(OSError):
                # Not in the run directory, which several machines may share.
                directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="srwizard-"))
                file = Path(directory) / "dataset.json"
                file.write_text(json.dumps(content), encoding="utf-8")
                told = {HANDED_ON: str(file)}
        yield told


def contents_for(run: RunConfig) -> Contents:
    """Return the dataset for a process of the run: as it was handed on, else verified now.

    Its fields are watched: a change while they are in use ends the run.

    Raises:
        DatasetError: as `verified`.
    """
    contents, seen = _handed(run) or _verified_now(run)

    def is_as_frozen(part: str, files: list[Path]) -> bool:
        return is_content(files, run.data.fingerprint[part])

    return watched(replace(contents, periodic=run.data.periodic), seen, is_as_frozen)


def _verified_now(run: RunConfig) -> tuple[Contents, Seen]:
    dataset = verified(run)
    return dataset.contents, dataset.seen


def _handed(run: RunConfig) -> tuple[Contents, Seen] | None:
    """Return what the launching process has found; None: there is none, or not of this run."""
    name = os.environ.get(HANDED_ON)
    if name is None:
        return None
    try:
        stored = json.loads(Path(name).read_text(encoding="utf-8"))
        if stored["run"] != run.digest:
            return None
        seen = {file: [FileStamp(*one) for one in found] for file, found in stored["seen"].items()}
        return stored_layout.from_json(stored["dataset"]), seen
    except (OSError, KeyError, TypeError, ValueError, AttributeError):
        return None
