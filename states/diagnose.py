"""diagnose: why training failed."""

import json

from rich.text import Text

from srwizard.conversation import Conversation
from srwizard.errors import TrainingFailedError
from srwizard.i18n import translate as _
from srwizard.states.frozen import run_directory
from srwizard.train.failures import FAILURE_FILE, explain


def run(conversation: Conversation) -> str:
    """Explain the failure; a person goes on to adjust, an answers file ends here.

    Raises:
        TrainingFailedError: nobody is there to decide what to change.
    """
    path = run_directory(conversation) / FAILURE_FILE
    failure = json.loads(path.read_text(encoding="utf-8"))
    lines = explain(failure)
    if not conversation.prompts.interactive:
        raise TrainingFailedError(
            "\n".join(lines),
            _("Recorded in {path}. Change the answers: srwizard resume {id}",
              path=path, id=conversation.session.id),
        )  # fmt: skip
    conversation.show(Text("\n".join(lines), style="red"))
    return "next"
