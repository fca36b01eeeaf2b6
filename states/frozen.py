"""frozen: the answers become a run config; from here on only files are handed over."""

from pathlib import Path

from rich.text import Text

from srwizard import runconfig
from srwizard.conversation import Conversation
from srwizard.data.fingerprint import fingerprint
from srwizard.data.layout import scan
from srwizard.devices import find_devices
from srwizard.errors import DatasetError, UsageError
from srwizard.i18n import language
from srwizard.i18n import translate as _
from srwizard.models.catalog import card, resolve_parameters
from srwizard.prompts import expand
from srwizard.runconfig import RunConfig
from srwizard.states.data import chosen_dataset, chosen_variables
from srwizard.states.output import problem_with

LOADERS_BESIDE_A_GPU = 4


def run(conversation: Conversation) -> str:
    """Resolve every value and write the run config, unless this very one is there already."""
    session = conversation.session
    run_dir = run_directory(conversation)
    config = resolve(conversation)
    _make(run_dir)
    hold_run(conversation)
    wanted, present = runconfig.seal(config).digest, _digest_there(run_dir)
    if present != wanted:
        problem = problem_with(str(run_dir), session)
        if problem is not None:
            raise UsageError(f"output.dir: {problem}", _("Choose another output.dir."))
        if present is not None:
            config = config.model_copy(update={"revision": runconfig.load(run_dir).revision + 1})
    # Before the file is there: a session killed in between must know it for its own.
    session.digests.append(wanted)
    session.save()
    if present != wanted:
        _write(config, run_dir)
    frozen = runconfig.load(run_dir)
    conversation.show(
        Text(
            _(
                "Frozen: {path} (revision {revision}, {digest})",
                path=run_dir / runconfig.FILE_NAME,
                revision=frozen.revision,
                digest=frozen.digest[:19],
            )
        )
    )
    return "next"


def run_directory(conversation: Conversation) -> Path:
    """Return the run directory that was answered."""
    return expand(conversation.session.answers.output.dir or "")


def resolve(conversation: Conversation) -> RunConfig:
    """Turn the answers into a run config in which nothing is left implicit.

    Raises:
        DatasetError: the dataset cannot be read any more.
    """
    answers = conversation.session.answers
    summary = chosen_dataset(conversation)
    variables = chosen_variables(conversation, summary)
    names = [variable.name for variable in variables]
    gpus = {gpu.index: gpu for gpu in find_devices().gpus} if answers.devices.gpus else {}
    missing = [number for number in answers.devices.gpus if number not in gpus]
    if missing:
        raise UsageError(
            _("devices.gpus: GPU {numbers} is not there", numbers=", ".join(map(str, missing))),
            _("See what is there: srwizard gpus"),
        )
    try:
        digests = fingerprint(scan(summary.root), names)
    except OSError as error:
        raise DatasetError(
            _("{path} cannot be read: {reason}", path=summary.root, reason=error)
        ) from None
    loaders = LOADERS_BESIDE_A_GPU if gpus else 0
    training = answers.training.model_copy()
    if training.num_workers is None:
        training.num_workers = loaders
    return RunConfig(
        created="",
        language="zh" if language() == "zh" else "en",
        data=runconfig.RunData(
            root=str(summary.root),
            layout=summary.layout,
            variables=names,
            scale=answers.data.scale or 1,
            hr_shape=list(variables[0].hr_shape),
            lr_shape=list(variables[0].lr_shape),
            steps=summary.steps,
            fingerprint=digests,
        ),
        output=runconfig.RunOutput(dir=str(run_directory(conversation))),
        model=runconfig.RunModel(
            name=answers.model.name or "",
            params=resolve_parameters(card(answers.model.name or ""), answers.model.params),
            in_channels=len(names),
            out_channels=len(names),
            global_skip=True,
        ),
        training=training,
        devices=runconfig.RunDevices(
            gpus=[
                runconfig.RunGPU(index=number, uuid=gpus[number].uuid, name=gpus[number].name)
                for number in answers.devices.gpus
            ],
            processes=len(answers.devices.gpus) or answers.devices.processes,
            nodes=answers.devices.nodes,
            backend="nccl" if gpus else "gloo",
        ),
        memory=runconfig.RunMemory(
            use_amp=answers.memory.use_amp,
            gradient_checkpointing=answers.memory.gradient_checkpointing,
            patch_size=answers.memory.patch_size,
        ),
        software=runconfig.software_versions(),
    )


def _digest_there(run_dir: Path) -> str | None:
    try:
        return runconfig.load(run_dir).digest
    except UsageError:
        return None


def hold_run(conversation: Conversation) -> None:
    """Keep other wizards and trainings out of the run directory.

    Raises:
        UsageError: somebody else is in it; says who.
    """
    run_dir = run_directory(conversation)
    conversation.hold(run_dir / ".lock", _("the run directory {path}", path=run_dir))


def _make(run_dir: Path) -> None:
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(run_dir, error) from None


def _write(config: RunConfig, run_dir: Path) -> None:
    try:
        runconfig.write(runconfig.seal(config), run_dir)
    except OSError as error:
        raise _unwritable(run_dir, error) from None


def _unwritable(run_dir: Path, error: OSError) -> UsageError:
    return UsageError(
        _("cannot write the run config to {path}: {reason}", path=run_dir, reason=error.strerror),
        _("Choose another output.dir, or make room or permission there."),
    )
