"""What the network starts from: which simple method for each variable, settled before freezing."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from srwizard.base.errors import UsageError
from srwizard.base.typed_paths import expand
from srwizard.data.baselines.choice import STANDARD
from srwizard.data.dataset import Dataset, unreadable
from srwizard.models import weights_file
from srwizard.prompts.progress import Progress
from srwizard.settings import run_config
from srwizard.settings.answers import Answers
from srwizard.settings.run_config import RunConfig, RunEvidence, RunLearning, RunMethod, RunSkip

if TYPE_CHECKING:
    from srwizard.data.baselines.evidence import Evidence

NONE = "none"
UNSETTLED = RunSkip(
    method="bicubic", weight=0, best=RunMethod(method="bicubic", weight=0), valid_rmse={}
)
"""As good as any for what depends on whether there is a skip, but not on which."""


def wanted_skip(answers: Answers) -> str:
    """Return what was answered: a method, "auto", or "none".

    Weights to begin from keep what they were trained with, unless the answers say otherwise; those
    from elsewhere were trained without. The older `model.global_skip` still counts where there is
    nothing newer.
    """
    if answers.has("model.skip"):
        return answers.model.skip
    if answers.model.weights is not None:
        older = answers.model.global_skip is not None
        return NONE if older else trained_skip(answers.model.weights)
    if answers.model.global_skip is not None:
        return "bicubic" if answers.model.global_skip else NONE
    return answers.model.skip


def trained_skip(weights: str) -> str:
    """Return what the weights to begin from were trained to start from: as `wanted_skip`."""
    try:
        found = weights_file.describe(expand(weights)).skip
    except UsageError:  # they are refused where the model is answered
        return NONE
    if found is None:
        return NONE
    methods = {method for method, weight in found.values()}
    standard = {(choice.method, choice.weight) for choice in STANDARD}
    return methods.pop() if len(methods) == 1 and set(found.values()) <= standard else "auto"


def with_settled_skip(
    config: RunConfig,
    wanted: str,
    dataset: Dataset,
    progress: Progress = lambda _done, _total: None,
) -> RunConfig:
    """Return a run config with the method that each variable starts from, and its figures.

    Args:
        config: from `resolve`, not sealed.
        wanted: from `wanted_skip`.
        dataset: that of the run.
        progress: told how far it is, where something has to be worked out.

    Raises:
        DatasetError: a field cannot be read.
    """
    if config.model.skip is None:
        return config
    choice = next((one for one in STANDARD if one.method == wanted), None)
    skip = {}
    names = config.data.variables
    for place, name in enumerate(names):

        def step_read(done: int, total: int, before: int = place) -> None:
            progress(before * total + done, len(names) * total)

        try:
            found = dataset.settled(
                name, config.data.scale, config.training.normalization, choice, step_read
            )
        except (OSError, ValueError) as error:
            raise unreadable(error, dataset.root) from None
        skip[name] = RunSkip(
            method=found.learnt.choice.method,
            weight=found.learnt.choice.weight,
            best=RunMethod(method=found.best.method, weight=found.best.weight),
            valid_rmse={
                one.name: None if math.isnan(score) else score
                for one, score in found.scores.items()
            },
            evidence=_evidence(found.evidence),
        )
    model = config.model.model_copy(update={"skip": skip})
    return config.model_copy(update={"model": model})


def _evidence(found: "Evidence") -> RunEvidence:
    curve = [RunLearning(steps=steps, rmse=error) for steps, error in found.learning_curve]
    levels = {split: list(ends) for split, ends in found.levels.items()}
    return RunEvidence(
        steps=found.steps, observed=found.observed, learning_curve=curve, levels=levels
    )


def keep_learnt(config: RunConfig, dataset: Dataset, run_dir: Path) -> None:
    """Write what the methods of a frozen run are beside its run config, for training to read.

    With it go the statistics for normalization, where the fit has read every step: training then
    has no need to go through the training split for them.

    Raises:
        OSError: it cannot be written.
    """
    if config.model.skip is None:
        return
    from srwizard.data import normalization
    from srwizard.data.baselines import learnt
    from srwizard.data.baselines.settle import statistics_of

    method = config.training.normalization
    settled = {
        name: dataset.settled(name, config.data.scale, method, config.model.skip[name].choice)
        for name in config.data.variables
    }
    found = {name: one.learnt for name, one in settled.items()}
    learnt.save(run_dir / learnt.FILE_NAME, found, run_config.baselines_key(config))
    statistics = statistics_of(list(settled.values()), method)
    if statistics is not None:
        key = run_config.statistics_key(config)
        normalization.save(run_dir / normalization.FILE_NAME, statistics, key)
