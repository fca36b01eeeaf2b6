"""launch: training, in processes of its own; here it is only watched."""

from rich.text import Text

from srwizard.conversation import Conversation
from srwizard.errors import TrainingFailedError
from srwizard.i18n import translate as _
from srwizard.states.frozen import hold_run, run_directory
from srwizard.train.launch import launch


def run(conversation: Conversation) -> str:
    """Train to the end; "completed", or "failed" where a person can do something about it."""
    conversation.require_confirmation()
    hold_run(conversation)
    run_dir = run_directory(conversation)
    conversation.show(Text(_("Training in {run_dir} …", run_dir=run_dir), style="dim"))
    try:
        launch(run_dir)
    except TrainingFailedError:
        return "failed"
    return "completed"
