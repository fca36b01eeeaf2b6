"""What turns fields into the input of a run's network and back: statistics, static fields, grids.

Everything is read once, from the run directory and from the dataset that the run was trained on;
of the latter a run needs nothing but the static fields that are its input channels, and the
latitude where block means that are conserved are weighted by it. Runs of earlier versions also look
there for their grids and units.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from srwizard.base.errors import DatasetError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.visible import in_shell
from srwizard.data import dataset_facts, normalization
from srwizard.data.baselines import learnt
from srwizard.data.baselines.learnt import Learnt
from srwizard.data.baselines.skip import Skip, shares, shrunk
from srwizard.data.block_means import block_shares, point_weights
from srwizard.data.dataset_facts import DatasetFacts
from srwizard.data.fields import FloatField
from srwizard.data.fingerprint import parts_changed, stamps
from srwizard.data.guides import as_blocks, guide_fields
from srwizard.data.layout import Contents, find_statics
from srwizard.data.normalization import Statistics
from srwizard.data.statics import input_channels, used_files
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig


@dataclass(frozen=True)
class Preprocessing:
    """See above.

    Args:
        statistics: of the training split, for "hr" and "lr".
        learnt: the simple methods, by variable; None: the run starts from none of them.
        skip: those that the network starts from; None: the mean of HR.
        static: input channels `[S, h, w]`, S being 0 where there are none; the blocks of guides
            come last.
        facts: on the dataset of the training: grids, units, depths.
        block_shares: `[C, H, W]`, how much each HR point counts in the mean of its block.
    """

    statistics: Mapping[str, Statistics]
    learnt: Mapping[str, Learnt] | None
    skip: Skip | None
    static: FloatField
    facts: DatasetFacts
    block_shares: FloatField


def read_preprocessing(
    run_dir: Path, run: RunConfig, gain: Mapping[str, float] | None = None
) -> Preprocessing:
    """Read them for a run.

    Args:
        run_dir: the run directory.
        run: its config.
        gain: of the checkpoint that is used; the spread of what the skip misses is multiplied with
            it, so that whoever uses the skip needs to know nothing of it.

    Raises:
        UsageError: the statistics are missing, or of another run.
        DatasetError: static fields that are input channels are gone or no longer the same.
    """
    path = run_dir / normalization.FILE_NAME
    statistics = normalization.load(path, run_config.statistics_key(run))
    if statistics is None:
        raise _unusable(path, run_dir)
    found = _read_learnt(run_dir, run)
    if found is not None and gain:
        found = {
            name: replace(one, spread=one.spread * np.float32(gain.get(name, 1.0)))
            for name, one in found.items()
        }
    skip = None if found is None else learnt.skip_of([found[name] for name in run.data.variables])
    if skip is not None:
        statistics = statistics | {"lr": shrunk(statistics["lr"], shares(skip.methods))}
    root = Path(run.data.root)
    contents = Contents(root, run.data.layout, {}, find_statics(root))
    hr, lr = run.data.shapes["hr"], run.data.shapes["lr"]
    return Preprocessing(
        statistics=statistics,
        learnt=found,
        skip=skip,
        static=_static_channels(contents, run, lr, statistics["hr"]),
        facts=facts_for(run_dir, run),
        block_shares=_block_shares(contents, run, statistics["hr"], hr),
    )


def facts_for(run_dir: Path, run: RunConfig) -> DatasetFacts:
    """Return what the dataset of a run says besides its fields, as it was when training began.

    Runs of earlier versions have not kept it: then, what the dataset says today, if it is there.
    """
    key, shapes = run_config.statistics_key(run), run.data.shapes
    kept = dataset_facts.load(run_dir / dataset_facts.FILE_NAME, key, shapes)
    if kept is not None:
        return kept
    root = Path(run.data.root)
    contents = Contents(root, run.data.layout, {}, find_statics(root))
    return dataset_facts.facts_of(contents, run.data.described, shapes)


def unknown_grid_notices(run_dir: Path, run: RunConfig) -> list[str]:
    """Say so where nothing tells what the grid and the units of the training were."""
    if (run_dir / dataset_facts.FILE_NAME).exists() or Path(run.data.root).exists():
        return []
    return [
        _("The dataset {root} is not there, and this run has not kept its grid and units: whether "
          "the input is on the grid of the training, and in its units, is not checked.",
          root=run.data.root)
    ]  # fmt: skip


def _read_learnt(run_dir: Path, run: RunConfig) -> dict[str, Learnt] | None:
    if run.model.skip is None:
        return None
    path = run_dir / learnt.FILE_NAME
    found = learnt.load(path, run_config.baselines_key(run))
    if found is None:
        raise _unusable(path, run_dir)
    return found


def _unusable(path: Path, run_dir: Path) -> UsageError:
    return UsageError(
        _("{path} is missing, damaged, or of another dataset.", path=path),
        _("Restore it, or let training write it again: srwizard train {directory}",
          directory=in_shell(run_dir)),
    )  # fmt: skip


def _block_shares(
    contents: Contents, run: RunConfig, hr: Statistics, shape: tuple[int, int]
) -> FloatField:
    try:
        weights = point_weights(contents, shape, run.data.block_means)
    except DatasetError:
        if run.conserves:
            raise
        weights = None  # only a warning depends on them, and hardly
    return block_shares(hr.observed > 0, run.data.scale, weights)


def _static_channels(
    contents: Contents, run: RunConfig, shape: tuple[int, int], hr: Statistics
) -> FloatField:
    names, guides = run.data.static_variables, run.data.static_guides
    by_area = run.conserves and run.data.block_means == "area"
    files = used_files(contents, names, guides, area_weights=by_area)
    # Of a dataset in one file for each split the other digests are not wanted here.
    alone = Contents(contents.root, "npy", {})
    present = stamps(alone, [], files)
    frozen = {part: run.data.fingerprint[part] for part in present if part in run.data.fingerprint}
    changed = parts_changed(alone, [], files, frozen, run.stamps)
    if changed:
        raise DatasetError(
            _("the dataset {root} has changed since it was checked:", root=contents.root)
            + "".join("\n  " + _("{key} has changed", key=part) for part in changed),
            _("Restore the earlier static fields: the network takes them as input."),
        )
    channels = input_channels(contents, names, shape)
    if not guides:
        return channels
    found = guide_fields(contents, guides, np.any(hr.observed > 0, axis=0))
    return np.concatenate([channels, as_blocks(found, run.data.scale)])
