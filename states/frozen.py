"""frozen: the answers become a run config; from here on only files are handed over."""

from pathlib import Path

from rich.text import Text

from srwizard.base.errors import DatasetError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.locks import LockedError
from srwizard.base.os_errors import reason_of
from srwizard.base.typed_paths import expand
from srwizard.base.visible import in_shell
from srwizard.data.dataset import Dataset
from srwizard.runs.process_identity import LOCK_FILE
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig
from srwizard.states.output import problem_with
from srwizard.wizard import simple_methods
from srwizard.wizard.chosen_dataset import (
    dataset_as_it_is_now,
    opened_dataset,
    problem_with_choice,
)
from srwizard.wizard.conserving import doubts_on_conserving
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.resolve import resolve_to_freeze
from srwizard.wizard.skip import NONE, keep_learnt, wanted_skip


def run(conversation: Conversation) -> str:
    """Write the run config, unless it is there already; "taken" where somebody is at work there."""
    session = conversation.session
    run_dir = run_directory(conversation)
    _require_dataset(conversation)
    config = run_config.seal(_resolved(conversation))
    _show_what_is_masked(config, conversation)
    _make(run_dir)
    try:
        hold_run(conversation)
    except LockedError as error:
        if not conversation.prompts.interactive:
            raise
        conversation.show(Text(f"{error.message}\n{error.hint}", style="red"))
        return "taken"
    present = run_config.digest_in(run_dir)
    if present != config.digest:
        problem = problem_with(str(run_dir), session)
        if problem is not None:
            raise UsageError(f"output.dir: {problem}", _("Choose another output.dir."))
        if present is not None:
            config = config.model_copy(update={"revision": run_config.load(run_dir).revision + 1})
    # Before the file is there: a session killed in between must know it for its own.
    session.digests.append(config.digest)
    session.save()
    if present != config.digest:
        _write(config, opened_dataset(conversation), run_dir)
    frozen = run_config.load(run_dir)
    conversation.show(
        Text(
            _(
                "Frozen: {path} (revision {revision}, {digest})",
                path=run_dir / run_config.FILE_NAME,
                revision=frozen.revision,
                digest=frozen.digest[:19],
            )
        )
    )
    for doubt in doubts_on_conserving(frozen, opened_dataset(conversation)):
        conversation.show(Text(doubt, style="yellow"))
    return "next" if frozen.devices.launcher == "here" else "other_machines"


def _resolved(conversation: Conversation) -> RunConfig:
    """Return the run config, once it is settled what the network starts from."""
    answers = conversation.session.answers
    if wanted_skip(answers) == NONE:
        simple_methods.stop(conversation)  # the dry run that comes next is not to be disturbed
        with conversation.prompts.progress(_("Checking every value …")) as progress:
            return resolve_to_freeze(conversation, answers, progress)
    text = _("Comparing the simple methods on the validation split …")
    with conversation.prompts.progress(text) as progress:
        simple_methods.wait(conversation, progress)
        return resolve_to_freeze(conversation, answers, progress)


def _show_what_is_masked(config: RunConfig, conversation: Conversation) -> None:
    dataset = opened_dataset(conversation)
    found = {name: dataset.looked_at(name, config.data.scale) for name in config.data.variables}
    for name, outliers in found.items():
        if outliers.count:
            lines = [
                _("Masked in {name} as impossible values (data.outliers): {count}",
                  count=outliers.count, name=name),
                *(f"  {one}" for one in outliers.first),
            ]  # fmt: skip
            conversation.show(Text("\n".join(lines), style="yellow"))


def run_directory(conversation: Conversation) -> Path:
    """Return the run directory that was answered."""
    return expand(conversation.session.answers.output.dir or "")


def hold_run(conversation: Conversation) -> None:
    """Keep other wizards and trainings out of the run directory.

    Raises:
        UsageError: somebody else is in it; says who.
    """
    run_dir = run_directory(conversation)
    conversation.hold(lock_of(run_dir), _("the run directory {path}", path=run_dir))


def lock_of(run_dir: Path) -> Path:
    """Return the lock file of a run directory."""
    return run_dir / LOCK_FILE


def _require_dataset(conversation: Conversation) -> None:
    """Make sure that the dataset is still there as it was chosen.

    Raises:
        DatasetError: it cannot be used any more.
    """
    root = dataset_as_it_is_now(conversation).root
    problem = problem_with_choice(conversation)
    if problem is not None:
        raise DatasetError(problem, _("See: srwizard inspect {root}", root=in_shell(root)))


def _make(run_dir: Path) -> None:
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(run_dir, error) from None


def _write(config: RunConfig, dataset: Dataset, run_dir: Path) -> None:
    try:
        keep_learnt(config, dataset, run_dir)
        run_config.write(config, run_dir)
    except OSError as error:
        raise _unwritable(run_dir, error) from None


def _unwritable(run_dir: Path, error: OSError) -> UsageError:
    return UsageError(
        _("cannot write the run config to {path}: {reason}", path=run_dir, reason=reason_of(error)),
        _("Choose another output.dir, or free some space or get write permission there."),
    )
