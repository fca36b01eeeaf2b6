"""From answers to a run config: every value resolved, nothing left implicit."""

from collections.abc import Sequence
from typing import Any

from srwizard.base.errors import SrwizardError, UsageError
from srwizard.base.i18n import language, listed
from srwizard.base.i18n import translate as _
from srwizard.base.typed_paths import expand
from srwizard.data.dataset import Dataset, unreadable
from srwizard.data.grid import goes_round
from srwizard.data.quantities import attributes_in
from srwizard.data.vectors import known_vectors, lonely_components
from srwizard.data.weighting import weighting_of
from srwizard.hardware.devices import find_devices
from srwizard.models import weights_file
from srwizard.models.catalog import card
from srwizard.prompts.progress import Progress
from srwizard.settings import run_config
from srwizard.settings.answers import (
    Answers,
    DevicesAnswers,
    TrainingAnswers,
    model_parameters,
    training_defaults,
)
from srwizard.settings.data import FrozenData
from srwizard.settings.memory import FrozenMemory
from srwizard.settings.model import FrozenModel
from srwizard.settings.option import Section
from srwizard.settings.run_config import RunConfig
from srwizard.settings.tiles import tile_size
from srwizard.settings.training import FrozenTraining
from srwizard.train import trackers
from srwizard.wizard.chosen_dataset import chosen_variables, opened_dataset
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.skip import NONE, UNSETTLED, wanted_skip, with_settled_skip

LOADERS_BESIDE_A_GPU = 4


def resolved_training(answers: Answers) -> TrainingAnswers:
    """Return the training parameters: those decided, the others as the model has them."""
    decided = answers.training.model_dump(exclude_unset=True)
    return training_defaults(answers.model.name).model_copy(update=decided)


def has_global_skip(answers: Answers) -> bool:
    """Return whether bicubic interpolation is added to the normalized output of the network.

    That was so in version 0.1.0, and with weights that were trained so.
    """
    if answers.model.weights is None or answers.has("model.skip"):
        return False
    if answers.model.global_skip is not None:
        return answers.model.global_skip
    return weights_file.describe(expand(answers.model.weights)).global_skip


def _weights(answers: Answers) -> run_config.RunWeights | None:
    if answers.model.weights is None:
        return None
    path = weights_file.located(expand(answers.model.weights))
    return run_config.RunWeights(path=str(path), sha256=weights_file.sha256(path))


def _vectors(
    answered: list[list[str]] | None, names: list[str], dataset: Dataset
) -> list[list[str]]:
    """Return the pairs of vector components, as answered or as their names say.

    Raises:
        UsageError: an answer is no pair of the variables.
    """
    if answered is None:
        return known_vectors(names, attributes_in(dataset.root, dataset.contents.layout, names))
    for pair in answered:
        if len(pair) != 2 or not set(pair) <= set(names) or pair[0] == pair[1]:
            raise UsageError(
                _("data.vectors: {pair} is not a pair of variables", pair=pair),
                _("Each is [eastward, northward]; the variables are: {names}",
                  names=listed(names)),
            )  # fmt: skip
    return answered


def _as_answered(frozen: type[Section], answered: Section) -> dict[str, Any]:
    """Return the answers that a run config takes over as they are."""
    return {name: getattr(answered, name) for name in frozen.model_fields}


def _on_other_machines(devices: DevicesAnswers) -> dict[str, Any]:
    """Return what a run config says of other machines, where training runs there."""
    if devices.launcher == "here":
        return {}
    given: dict[str, Any] = {
        "launcher": devices.launcher,
        "gpus_per_node": devices.gpus_per_node,
    }
    if devices.launcher == "nodes":
        return given | {"rdzv_endpoint": devices.rdzv_endpoint}
    return given | {
        "slurm": run_config.RunSlurm(
            **{name: getattr(devices, f"slurm_{name}") for name in run_config.RunSlurm.model_fields}
        )
    }


def resolve_to_freeze(
    conversation: Conversation,
    answers: Answers,
    progress: Progress = lambda _done, _total: None,
) -> RunConfig:
    """Resolve the answers, and settle on the data what the network starts from.

    Raises:
        DatasetError, UsageError: as `resolve`.
    """
    config = resolve(conversation, answers)
    dataset = opened_dataset(conversation)
    unclear = _unclear_components(config, dataset) if answers.data.vectors is None else []
    config = with_settled_skip(config, wanted_skip(answers), dataset, progress)
    config = with_outliers(config, dataset, progress)
    config = with_guide_scales(config, dataset)
    config = with_content(config, dataset, progress)
    return with_augmentation(config, dataset, unclear)


def with_content(
    config: RunConfig, dataset: Dataset, progress: Progress = lambda _done, _total: None
) -> RunConfig:
    """Return a run config that knows every byte of its dataset.

    Raises:
        DatasetError: the dataset cannot be read any more.
    """
    digests, stamps = dataset.content(
        config.data.variables,
        config.data.static_variables,
        config.data.guides,
        area_weights=config.reads_latitude,
        progress=progress,
    )
    data = config.data.model_copy(update={"fingerprint": digests})
    return config.model_copy(update={"data": data, "stamps": stamps})


def with_guide_scales(config: RunConfig, dataset: Dataset) -> RunConfig:
    """Return a run config that knows mean and spread of the guides that are variables.

    Raises:
        DatasetError: one has gaps where HR has values, or cannot be read.
    """
    if not config.data.guides:
        return config
    from srwizard.data.guides import scales_of

    try:
        found = scales_of(dataset.contents, config.data.variables, config.data.guides)
    except (OSError, ValueError) as error:
        raise unreadable(error, dataset.root) from None
    return config.model_copy(
        update={"data": config.data.model_copy(update={"guide_scales": found})}
    )


def with_outliers(
    config: RunConfig, dataset: Dataset, progress: Progress = lambda _done, _total: None
) -> RunConfig:
    """Return a run config that says which values are masked, once every value was looked at.

    Raises:
        DatasetError: there are values that cannot be, and they are not to be masked.
    """
    found: dict[str, dict[str, list[list[int]]]] = {}
    for name in config.data.variables:
        try:
            found |= dataset.looked_at(name, config.data.scale, progress).points
        except (OSError, ValueError) as error:
            raise unreadable(error, dataset.root) from None
    return config.model_copy(update={"data": config.data.model_copy(update={"masked": found})})


def _unclear_components(config: RunConfig, dataset: Dataset) -> list[str]:
    """Return the variables of which it is not known which vector they are components of."""
    names, vectors = config.data.variables, config.data.vectors or []
    told = attributes_in(dataset.root, dataset.contents.layout, names)
    lonely = lonely_components(names, vectors, told)
    return [name for name, _eastward in lonely]


def with_augmentation(
    config: RunConfig, dataset: Dataset, unclear: Sequence[str] = ()
) -> RunConfig:
    """Return a run config that says whether, and how, training samples are turned.

    Args:
        config: from `with_settled_skip`.
        dataset: that of the run.
        unclear: variables that may be components of a vector.

    Raises:
        UsageError: samples are to be turned, but it is unclear which variables are vectors.
    """
    from srwizard.data.square_grid import handedness

    training = config.training
    if training.augment and unclear:
        raise UsageError(
            _("training.augment: {names} may be a component of a vector, which changes its sign",
              names=listed(unclear)),
            _("Give data.vectors as [[eastward, northward]], or [] if there are no vectors."),
        )  # fmt: skip
    if training.augment is None:
        helps = not unclear and _turning_helps(config)
        training = training.model_copy(update={"augment": helps})
    data = config.data
    if training.augment:
        height, width = data.hr_shape
        turns = handedness(dataset.contents, (height, width), vectors=bool(data.vectors))
        data = data.model_copy(update={"handedness": turns})
    return config.model_copy(update={"training": training, "data": data})


def _turning_helps(config: RunConfig) -> bool:
    """Return whether samples are turned where the answers leave it open.

    A network that is shown where on the map it is, and starts from its climatology, learns what
    belongs to the place; there it was worse with turned samples: docs/simple-methods.md.
    """
    skip = config.model.skip
    return skip is not None and not any(found.weight for found in skip.values())


def possible(conversation: Conversation, answers: Answers) -> RunConfig | None:
    """Return the run that answers lead to, None where they lead to none."""
    try:
        return resolve(conversation, answers)
    except SrwizardError:
        return None


def resolve(conversation: Conversation, answers: Answers) -> RunConfig:
    """Turn answers about the chosen dataset into a run config in which nothing is left implicit.

    Args:
        conversation: whose dataset it is.
        answers: the answers, or a variant of them.

    Raises:
        DatasetError: the dataset cannot be read any more.
        UsageError: a chosen GPU, or the package of a tracker, is not there.
    """
    dataset = opened_dataset(conversation)
    summary = dataset.summary
    weighting = weighting_of(dataset.contents)
    variables = chosen_variables(conversation, summary)
    names = [variable.name for variable in variables]
    gpus = {gpu.index: gpu for gpu in find_devices().gpus} if answers.devices.gpus else {}
    missing = [number for number in answers.devices.gpus if number not in gpus]
    if missing:
        raise UsageError(
            _("devices.gpus: GPU {numbers} is not there", numbers=listed(missing)),
            _("List the devices: srwizard gpus"),
        )
    on_gpus = bool(gpus) or answers.devices.gpus_per_node > 0
    loaders = LOADERS_BESIDE_A_GPU if on_gpus else 0
    chosen = card(answers.model.name or "")
    training = resolved_training(answers)
    trackers.require(training.trackers)
    if training.num_workers is None:
        training.num_workers = loaders
    periodic = goes_round(dataset.contents, variables[0].hr_shape)
    return RunConfig(
        created="",
        language="zh" if language() == "zh" else "en",
        data=run_config.RunData(
            root=str(summary.root),
            layout=summary.layout,
            variables=names,
            **_as_answered(FrozenData, answers.data)
            | {"vectors": _vectors(answers.data.vectors, names, dataset)},
            scale=answers.data.scale or 1,
            hr_shape=list(variables[0].hr_shape),
            lr_shape=list(variables[0].lr_shape),
            periodic=periodic,
            patches_go_round=periodic,
            steps=summary.steps,
            fingerprint=dataset.fingerprint(
                names,
                answers.data.static_variables,
                answers.data.guides,
                area_weights=training.area_weights or weighting == "area",
            ),
            block_means=weighting,
        ),
        output=run_config.RunOutput(dir=str(expand(answers.output.dir or ""))),
        model=run_config.RunModel(
            name=chosen.name,
            params=model_parameters(answers.model),
            in_channels=len(names) + len(answers.data.static_variables),
            out_channels=len(names),
            **_as_answered(FrozenModel, answers.model),
            global_skip=has_global_skip(answers) and chosen.family == "standard",
            skip=None if wanted_skip(answers) == NONE else dict.fromkeys(names, UNSETTLED),
            weights=_weights(answers),
        ),
        training=run_config.RunTraining(
            **training.model_dump(include=set(FrozenTraining.model_fields))
        ),
        devices=run_config.RunDevices(
            gpus=[
                run_config.RunGPU(index=number, uuid=gpus[number].uuid, name=gpus[number].name)
                for number in answers.devices.gpus
            ],
            **_on_other_machines(answers.devices),
            processes=answers.devices.processes_per_node,
            nodes=answers.devices.nodes,
            backend="nccl" if on_gpus else "gloo",
        ),
        memory=run_config.RunMemory(
            **_as_answered(FrozenMemory, answers.memory)
            # With one process there is nobody to share with.
            | {"shard": answers.memory.shard and answers.devices.world_size > 1},
            tile_size=tile_size(
                chosen,
                variables[0].lr_shape,
                scale=answers.data.scale or 1,
                periodic=periodic,
                patch_size=answers.memory.patch_size,
                batch_size=training.batch_size,
                use_amp=answers.memory.use_amp,
            ),
        ),
        software=run_config.software_versions(),
    )
