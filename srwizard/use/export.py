"""A run's model as a bundle to hand on: weights, config, statistics, and a word on their use."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from srwizard.base import files
from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.whole_directory import LOCK_NAME, whole_directory
from srwizard.data.baselines import learnt
from srwizard.data.dataset_facts import coordinates_of, told_by
from srwizard.train.seam import seam_of
from srwizard.use.bundle import (
    BUNDLE_KEY,
    CONFIG,
    OF_STATISTICS,
    ONNX,
    PARTS,
    README,
    STATISTICS,
    WEIGHTS,
    missing_package,
)
from srwizard.use.bundle_readme import readme
from srwizard.use.onnx_graph import check_model, write_onnx
from srwizard.use.predictor import Predictor
from srwizard.use.run import Run

FORMAT_VERSION = 3


def export(run: Run, target: Path, *, onnx: bool = False, overwrite: bool = False) -> list[str]:
    """Write the bundle; the directory appears whole or not at all.

    Args:
        run: the run, on the CPU.
        target: the directory to make.
        onnx: also write the prediction as ONNX; see `onnx_graph.CONVOLUTIONAL`.
        overwrite: replace a bundle that is there.

    Returns:
        What was written, a line for each file.

    Raises:
        UsageError: the target is in the way or cannot be written; the model has no ONNX graph;
            a package is missing.
    """
    _check_target(target, overwrite=overwrite)
    if onnx and run.config.conserves:
        raise UsageError(
            _("a run that conserves block means (model.conserve) cannot be written as ONNX: they "
              "are made so outside of the network"),
            _("Leave --onnx out; the bundle in safetensors conserves them."),
        )  # fmt: skip
    if onnx and run.guides:
        raise UsageError(
            _("a run with guides of every step ({names}) cannot be written as ONNX",
              names=", ".join(run.guides)),
            _("Leave --onnx out; the bundle in safetensors holds every model."),
        )  # fmt: skip
    if onnx:
        check_model(run.config.model.name)
    try:
        from safetensors.torch import save
    except ImportError as error:
        raise missing_package(error) from None
    # Copies, for a layer may be in two places, and a file holds no memory twice.
    weights = {name: part.contiguous().clone() for name, part in run.network.state_dict().items()}
    with whole_directory(target, partial(_check_target, overwrite=overwrite)) as stage:
        files.write_bytes(stage / WEIGHTS, save(weights, {"format": "pt"}))
        files.write_json(stage / CONFIG, _config(run))
        files.write_with(stage / STATISTICS, lambda stream: np.savez(stream, **_arrays(run)))
        if run.preprocessing.learnt is not None:
            learnt.save(stage / learnt.FILE_NAME, run.preprocessing.learnt, BUNDLE_KEY)
        files.write_text(stage / README, readme(run, onnx=onnx))
        if onnx:
            write_onnx(predictor_of(run), stage / ONNX)
        written = sorted(path.name for path in stage.iterdir() if path.name != LOCK_NAME)
    return [str(target / name) for name in written]


def _check_target(target: Path, *, overwrite: bool) -> None:
    if target.exists() and not target.is_dir():
        raise UsageError(
            _("{path} is a file, not a directory.", path=target), _("Choose another directory.")
        )
    present = {path.name for path in target.iterdir()} if target.exists() else set()
    foreign = sorted(present - {*PARTS, LOCK_NAME})
    if foreign:
        raise UsageError(
            _("{path} holds {names}, which is not part of a bundle, and is not replaced.",
              path=target, names=", ".join(foreign[:3])),
            _("Choose another directory, or move those files away."),
        )  # fmt: skip
    if present and not overwrite:
        raise UsageError(
            _("{path} exists already", path=target),
            _("Choose another directory, or replace the bundle in it: --overwrite"),
        )


def _config(run: Run) -> dict[str, Any]:
    """Return config.json; `network` is what `srwizard.models.build` takes."""
    config = run.config
    return {
        "format_version": FORMAT_VERSION,
        "network": {
            "name": config.model.name,
            "in_channels": config.model.in_channels,
            "out_channels": config.model.out_channels,
            "scale": config.data.scale,
            "guides": len(config.data.guides),
            "params": config.model.params,
            "global_skip": config.model.global_skip,
            "starts_from_zero": config.model.skip is not None,
        },
        "variables": list(run.variables),
        "static_variables": config.data.static_variables,
        "guides": [*config.data.static_guides, *config.data.varying_guides],
        "guide_scales": {
            name: config.data.guide_scales[name] for name in config.data.varying_guides
        },
        "dataset": told_by(run.preprocessing.facts),
        "normalization": config.training.normalization,
        "lr_shape": config.data.lr_shape,
        "hr_shape": config.data.hr_shape,
        "conserve": config.model.conserve,
        "ensemble_gain": dict(run.checkpoint.gain) if run.draws_samples else {},
        "patch_size": config.memory.patch_size,
        "run_digest": config.digest,
        "run": config.model_dump(mode="json"),
        "checkpoint": {
            "name": run.checkpoint.name,
            "epoch": run.checkpoint.epoch,
            "sha256": run.checkpoint.digest,
        },
        "software": config.software,
    }


def _arrays(run: Run) -> dict[str, Any]:
    """Return what is in statistics.npz: see the documentation of the bundle."""
    found: dict[str, Any] = {"static": run.preprocessing.static}
    if run.config.conserves:
        found["block_shares"] = run.preprocessing.block_shares
    for level, statistics in run.preprocessing.statistics.items():
        found |= {f"{level}_{part}": getattr(statistics, part) for part in OF_STATISTICS}
    return found | coordinates_of(run.preprocessing.facts.grids)


def predictor_of(run: Run) -> Predictor:
    """Return the whole prediction of a run as one module."""
    return Predictor(run.network, run.preprocessing, seam=seam_of(run.config), scale=run.scale)
