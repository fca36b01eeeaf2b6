"""diagnose: why training failed."""

from rich.text import Text

from srwizard.base.errors import TrainingFailedError
from srwizard.base.i18n import translate as _
from srwizard.base.signs import warning
from srwizard.runs.failure_kinds import kind_named
from srwizard.runs.failures import FAILURE_FILE, explain
from srwizard.states.frozen import run_directory
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.reason import Outcome, Reason


def run(conversation: Conversation) -> Outcome:
    """Explain the failure; a person goes on to adjust, an answers file ends here.

    Raises:
        TrainingFailedError: nobody is there to decide what to change.
    """
    session = conversation.session
    reason = session.reason
    assert reason is not None
    failure, run_dir = reason.as_failure(), run_directory(conversation)
    if not conversation.prompts.interactive:
        raise TrainingFailedError(
            "\n".join(explain(failure, run_dir)),
            _("Recorded in {path}. Change the answers: srwizard resume {id}",
              path=run_dir / FAILURE_FILE, id=session.id),
        )  # fmt: skip
    conversation.show(explanation(conversation, reason))
    return Outcome("next", reason)


def explanation(conversation: Conversation, reason: Reason) -> Text:
    """Return why training failed, and what to do unless it stands in the menu that follows."""
    kind = kind_named(reason.kind)
    follows = kind.ran_out_of_memory or bool(kind.remedies(conversation.session.answers))
    lines = explain(reason.as_failure(), run_directory(conversation), advice=not follows)
    return Text("\n".join([warning(_("Training failed")), *lines]), style="red")
