"""diagnose: why training failed."""

from rich.text import Text

from srwizard.base.errors import TrainingFailedError
from srwizard.base.i18n import translate as _
from srwizard.runs.failure_kinds import kind_named
from srwizard.runs.failures import FAILURE_FILE, explain
from srwizard.states.frozen import run_directory
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.reason import Outcome


def run(conversation: Conversation) -> Outcome:
    """Explain the failure; a person goes on to adjust, an answers file ends here.

    Raises:
        TrainingFailedError: nobody is there to decide what to change.
    """
    session = conversation.session
    reason = session.reason
    assert reason is not None
    failure = reason.as_failure()
    if not conversation.prompts.interactive:
        raise TrainingFailedError(
            "\n".join(explain(failure)),
            _("Recorded in {path}. Change the answers: srwizard resume {id}",
              path=run_directory(conversation) / FAILURE_FILE, id=session.id),
        )  # fmt: skip
    # What can be picked stands in the menu that follows, numbered there.
    kind = kind_named(reason.kind)
    follows = kind.ran_out_of_memory or bool(kind.remedies(session.answers))
    conversation.show(Text("\n".join(explain(failure, advice=not follows)), style="red"))
    return Outcome("next", reason)
