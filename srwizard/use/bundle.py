"""What a bundle of `srwizard export` consists of, and how it is read back as a run.

No torch is imported before the weights are: whoever loads a bundle may want to set threads first.
"""

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.special_files import require_file
from srwizard.data import dataset_facts
from srwizard.data.baselines import learnt
from srwizard.data.block_means import block_shares
from srwizard.data.dataset_facts import DatasetFacts
from srwizard.data.normalization import Statistics
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig
from srwizard.use.preprocessing import Preprocessing, facts_for

if TYPE_CHECKING:
    from torch import nn

    from srwizard.use.weights import Checkpoint

WEIGHTS, CONFIG, STATISTICS, README, ONNX = (
    "model.safetensors", "config.json", "statistics.npz", "README.md", "model.onnx",
)  # fmt: skip
PARTS = (WEIGHTS, CONFIG, STATISTICS, README, ONNX, learnt.FILE_NAME)
BUNDLE_KEY = "bundle"
OF_STATISTICS = ("mean", "std", "minimum", "maximum", "observed")


def is_bundle(directory: Path) -> bool:
    """Return whether a directory is a bundle, and no run directory."""
    return (directory / CONFIG).is_file() and not (directory / run_config.FILE_NAME).exists()


def config_in(directory: Path) -> RunConfig:
    """Return the run config of a run directory or of a bundle.

    Raises:
        UsageError: there is none, or it cannot be used.
    """
    if not is_bundle(directory):
        return run_config.load(directory)
    try:
        return RunConfig.model_validate(_told(directory)["run"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unusable(directory) from error


def facts_in(directory: Path, config: RunConfig) -> DatasetFacts:
    """Return what the dataset of a run directory or of a bundle says besides its fields.

    Raises:
        UsageError: the bundle cannot be used.
    """
    if not is_bundle(directory):
        return facts_for(directory, config)
    try:
        with np.load(require_file(directory / STATISTICS), allow_pickle=False) as arrays:
            told = _told(directory)["dataset"]
            return dataset_facts.read_from(told, arrays, config.data.shapes)
    except _DAMAGED as error:
        raise _unusable(directory) from error


def load_bundle(directory: Path) -> tuple[RunConfig, "nn.Module", "Checkpoint", Preprocessing]:
    """Read a bundle: its run config, its network on the CPU, which weights they are, and what turns
    fields into its input and back.

    Raises:
        UsageError: it is damaged, or of a version that cannot be read back; safetensors is missing.
    """
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise missing_package(error) from None
    from safetensors import SafetensorError

    from srwizard.train.setup import build_network
    from srwizard.use.weights import Checkpoint

    config = config_in(directory)
    network = build_network(config)
    try:
        network.load_state_dict(load_file(require_file(directory / WEIGHTS)))
        told = _told(directory)
        used = told["checkpoint"]
        gain = {name: float(value) for name, value in told["ensemble_gain"].items()}
        checkpoint = Checkpoint(used["name"], int(used["epoch"]), str(used["sha256"]), gain)
        found = config, network.eval(), checkpoint, _preprocessing(directory, config)
    except (*_DAMAGED, AttributeError, RuntimeError, SafetensorError) as error:
        raise _unusable(directory) from error
    return found


def _preprocessing(directory: Path, config: RunConfig) -> Preprocessing:
    with np.load(require_file(directory / STATISTICS), allow_pickle=False) as arrays:
        statistics = {
            level: Statistics(**{part: arrays[f"{level}_{part}"] for part in OF_STATISTICS})
            for level in config.data.shapes
        }
        shares = arrays.get("block_shares")
        static = arrays["static"]
    methods = None
    if config.model.skip is not None:
        methods = learnt.load(directory / learnt.FILE_NAME, BUNDLE_KEY)
        if methods is None:
            raise ValueError(learnt.FILE_NAME)
    if shares is None:
        shares = block_shares(statistics["hr"].observed > 0, config.data.scale, None)
    return Preprocessing(
        statistics=statistics,
        learnt=methods,
        skip=None
        if methods is None
        else learnt.skip_of([methods[name] for name in config.data.variables]),
        static=static,
        facts=facts_in(directory, config),
        block_shares=shares,
    )


def _told(directory: Path) -> dict[str, Any]:
    """Return config.json.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    text = require_file(directory / CONFIG).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _unusable(directory: Path) -> UsageError:
    return UsageError(
        _("The bundle {path} is damaged, or of an earlier version.", path=directory),
        _("Export it again: srwizard export RUN_DIR"),
    )


def missing_package(error: ImportError) -> UsageError:
    """Return the error of an optional package that is not installed."""
    return UsageError(
        _("the package {name} is not installed", name=error.name),
        _('Install what export needs: pip install "srwizard[export]"'),
    )


_DAMAGED = (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile)
