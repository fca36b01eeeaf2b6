"""The simple methods of a run: what its network starts from and is compared with."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from srwizard.base.choices import method_named
from srwizard.data.baselines import learnt as learnt_file
from srwizard.data.baselines.choice import BICUBIC, METHODS, STANDARD
from srwizard.data.baselines.learnt import Learnt
from srwizard.data.baselines.methods import Baseline, bicubic
from srwizard.data.baselines.settle import settle
from srwizard.data.layout import Contents
from srwizard.data.normalization_methods import NORMALIZATIONS
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig

BEST = "best"


def simple_methods(
    run: RunConfig, learnt: Mapping[str, Learnt] | None
) -> dict[str, Sequence[Baseline]]:
    """Return the simple methods that a network is compared with, by name, one for each channel.

    "best" is there where a variable's best one is none of those that all have.
    """
    if learnt is None:
        plain = bicubic(run.data.scale, run.data.lr_shape, periodic=run.data.periodic)
        return {BICUBIC: [plain] * run.model.out_channels}
    channels = [learnt[name] for name in run.data.variables]
    ready = [one.standard() for one in channels]
    found: dict[str, Sequence[Baseline]] = {
        name: [methods[name] for methods in ready] for name in METHODS
    }
    if any(one.choice not in STANDARD for one in channels):
        found[BEST] = [one.chosen() for one in channels]
    return found


def load_learnt(run: RunConfig, run_dir: Path, contents: Contents) -> dict[str, Learnt] | None:
    """Return the simple methods of a run with a skip, learnt once for each run directory."""
    if run.model.skip is None:
        return None
    stored = kept_learnt(run, run_dir)
    if stored is not None:
        return stored
    found = {
        name: settle(
            contents,
            name,
            run.data.scale,
            normalization=run.training.normalization,
            wanted=chosen.choice,
        ).learnt
        for name, chosen in run.model.skip.items()
    }
    learnt_file.save(run_dir / learnt_file.FILE_NAME, found, run_config.baselines_key(run))
    return found


def kept_learnt(run: RunConfig, run_dir: Path) -> dict[str, Learnt] | None:
    """Return the simple methods as the wizard or an earlier training has left them there."""
    return learnt_file.load(run_dir / learnt_file.FILE_NAME, run_config.baselines_key(run))


def imagined_learnt(run: RunConfig) -> dict[str, Learnt] | None:
    """Return simple methods that take as much memory, where a run has any."""
    height, width = run.data.lr_shape
    per_point = method_named(NORMALIZATIONS, run.training.normalization).per_point
    if run.model.skip is None:
        return None
    return {
        name: learnt_file.imagined(
            (height, width), run.data.scale, chosen.choice, per_point=per_point
        )
        for name, chosen in run.model.skip.items()
    }
