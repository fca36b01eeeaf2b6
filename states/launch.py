"""launch: training, in processes of its own; here it is only watched, or left to itself.

On other machines it is begun there: by hand, or by Slurm.
"""

import contextlib
from typing import Any

from rich.text import Text

from srwizard.base.errors import EXIT_DONE, TrainingFailedError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.memory.dry_run_table import verdict_lines
from srwizard.runs.records import dry_run_of
from srwizard.runs.run_state import FOLLOWED, RunState
from srwizard.runs.status import state_text, status_of
from srwizard.states.frozen import hold_run, lock_of, run_directory
from srwizard.train.detach import detach, following
from srwizard.train.launch import launch
from srwizard.wizard import other_machines
from srwizard.wizard.chosen_dataset import verified_dataset
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.reason import DETACHED, Outcome, Reason, failed, failure_in, short_of_memory

LEFT_TO_ITSELF = Outcome("detached", Reason(DETACHED))


def run(conversation: Conversation) -> Outcome:
    """Train to the end; "completed", or "failed" where a person can do something about it.

    Where training is to go on in the background, "detached" ends the conversation; the session
    stays here, and a look at the run comes first when it is resumed.
    """
    if conversation.session.is_detached:
        outcome = _what_became_of_it(conversation)
        if outcome is not None:
            return outcome
    conversation.require_confirmation()
    hold_run(conversation)
    run_dir = run_directory(conversation)
    launcher = conversation.session.answers.devices.launcher
    if launcher == other_machines.NODES:
        for line in other_machines.how_to_begin(run_dir):
            conversation.show(Text(line))
        return LEFT_TO_ITSELF
    if launcher == other_machines.SLURM:
        conversation.release(lock_of(run_dir))
        from srwizard.runs.submission import submit

        for line in submit(run_dir):
            conversation.show(Text(line))
        return LEFT_TO_ITSELF
    if conversation.detach or conversation.session.answers.devices.background:
        conversation.release(lock_of(run_dir))
        for line in following(run_dir, detach(run_dir)):
            conversation.show(Text(line))
        return LEFT_TO_ITSELF
    conversation.show(Text(_("Training in {run_dir} …", run_dir=run_dir), style="dim"))
    left = False

    def leave() -> None:
        """Leave the session to whoever resumes it, as one whose training is in the background."""
        nonlocal left
        left = True
        conversation.session.enter("launch", LEFT_TO_ITSELF.trigger, LEFT_TO_ITSELF.reason)
        with contextlib.suppress(UsageError):  # nobody is there to hear it; training goes on
            conversation.session.save()
        conversation.release(conversation.session.lock_path)

    try:
        launch(run_dir, dataset=verified_dataset(conversation, run_dir), on_hangup=leave)
    except TrainingFailedError as error:
        if left:
            raise
        failure = error.failure or failure_in(run_dir)
        return Outcome("failed", failed(failure, _dry_run(conversation)))
    conversation.show(Text(_("Writing the report …"), style="dim"))
    # Imported late: matplotlib takes longer to import than the wizard takes to start.
    from srwizard.report.after_training import report_training

    report_training(run_dir)
    if left:
        raise SystemExit(EXIT_DONE)  # the session is no longer this conversation's
    return Outcome("completed")


def _what_became_of_it(conversation: Conversation) -> Outcome | None:
    """Return what a training elsewhere or in the background came to; None if it is to be begun."""
    run_dir = run_directory(conversation)
    run_status = status_of(run_dir)
    if run_status is None:
        return None
    if run_status["state"] in FOLLOWED:
        conversation.show(Text(state_text(run_status)))
        for line in following(run_dir, run_status["pid"])[1:]:
            conversation.show(Text(line))
        return LEFT_TO_ITSELF
    dry_run = _dry_run(conversation)
    not_trained = run_status["state"] in (RunState.FROZEN, RunState.FAILED)
    if not_trained and _was_short(conversation, dry_run):
        reason = short_of_memory(dry_run)
        conversation.show(Text("\n".join(verdict_lines(reason.figures))))
        return Outcome("short", reason)
    if run_status["state"] == RunState.FAILED:
        return Outcome("failed", failed(failure_in(run_dir), dry_run))
    return Outcome("completed") if run_status["state"] == RunState.COMPLETED else None


def _dry_run(conversation: Conversation) -> dict[str, Any]:
    """Return the dry run of the config as it is frozen now, empty where there is none."""
    return dry_run_of(run_directory(conversation), conversation.session.digest)


def _was_short(conversation: Conversation, dry_run: dict[str, Any]) -> bool:
    """Return whether a dry run on other machines has found that this very config does not fit."""
    here = conversation.session.answers.devices.launcher == other_machines.HERE
    return not here and dry_run.get("verdict") == "does not fit"
