"""launch: training, in processes of its own; here it is only watched, or left to itself.

On other machines it is begun there: by hand, or by Slurm.
"""

from rich.text import Text

from srwizard.base.errors import TrainingFailedError
from srwizard.base.i18n import translate as _
from srwizard.runs.records import dry_run_of
from srwizard.runs.status import FOLLOWED, state_text, status_of
from srwizard.states.frozen import hold_run, lock_of, run_directory
from srwizard.train.detach import detach, following
from srwizard.train.launch import launch
from srwizard.wizard import other_machines
from srwizard.wizard.chosen_dataset import dataset_as_it_is_now
from srwizard.wizard.conversation import Conversation


def run(conversation: Conversation) -> str:
    """Train to the end; "completed", or "failed" where a person can do something about it.

    Where training is to go on in the background, "detached" ends the conversation; the session
    stays here, and a look at the run comes first when it is resumed.
    """
    came_to = _left_to_itself(conversation)
    if came_to is not None:
        return came_to
    conversation.require_confirmation()
    hold_run(conversation)
    run_dir = run_directory(conversation)
    launcher = conversation.session.answers.devices.launcher
    if launcher == other_machines.NODES:
        for line in other_machines.how_to_begin(run_dir):
            conversation.show(Text(line))
        return "detached"
    if launcher == other_machines.SLURM:
        conversation.release(lock_of(run_dir))
        from srwizard.runs.submission import submit

        for line in submit(run_dir):
            conversation.show(Text(line))
        return "detached"
    if conversation.detach:
        conversation.release(lock_of(run_dir))
        for line in following(run_dir, detach(run_dir)):
            conversation.show(Text(line))
        return "detached"
    conversation.show(Text(_("Training in {run_dir} …", run_dir=run_dir), style="dim"))
    try:
        launch(run_dir, dataset=dataset_as_it_is_now(conversation))
    except TrainingFailedError:
        return "failed"
    # Imported late: matplotlib takes longer to import than the wizard takes to start.
    from srwizard.report.page import write_report

    write_report(run_dir)
    return "completed"


def _left_to_itself(conversation: Conversation) -> str | None:
    """Return what a training elsewhere or in the background came to; None if it is to be begun."""
    history = conversation.session.history
    if not history or history[-1]["trigger"] != "detached":
        return None
    run_status = status_of(run_directory(conversation))
    if run_status is None:
        return None
    if run_status["state"] in FOLLOWED:
        conversation.show(Text(state_text(run_status)))
        for line in following(run_directory(conversation), run_status["pid"])[1:]:
            conversation.show(Text(line))
        return "detached"
    if run_status["state"] in ("frozen", "failed") and _was_short(conversation):
        return "short"
    return run_status["state"] if run_status["state"] in ("completed", "failed") else None


def _was_short(conversation: Conversation) -> bool:
    """Tell whether a dry run on other machines has found that this very config does not fit."""
    here = conversation.session.answers.devices.launcher == other_machines.HERE
    found = {} if here else dry_run_of(run_directory(conversation), conversation.session.digest)
    return found.get("verdict") == "does not fit"
