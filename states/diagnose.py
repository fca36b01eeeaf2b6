"""diagnose: why training failed."""

from pathlib import Path
from typing import Any

from rich.text import Text

from srwizard.base import files
from srwizard.base.errors import TrainingFailedError
from srwizard.base.i18n import translate as _
from srwizard.runs.failure_kinds import FOR_WANT_OF_MEMORY, UNKNOWN
from srwizard.runs.failures import FAILURE_FILE, explain
from srwizard.runs.status import status_of
from srwizard.states.frozen import run_directory
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.failure_remedies import remedies_for


def run(conversation: Conversation) -> str:
    """Explain the failure; a person goes on to adjust, an answers file ends here.

    Raises:
        TrainingFailedError: nobody is there to decide what to change.
    """
    run_dir = run_directory(conversation)
    failure = recorded_failure(run_dir)
    if not conversation.prompts.interactive:
        raise TrainingFailedError(
            "\n".join(explain(failure)),
            _("Recorded in {path}. Change the answers: srwizard resume {id}",
              path=run_dir / FAILURE_FILE, id=conversation.session.id),
        )  # fmt: skip
    # What can be picked stands in the menu that follows, numbered there.
    kind, answers = failure["kind"], conversation.session.answers
    follows = kind in FOR_WANT_OF_MEMORY or bool(remedies_for(kind, answers))
    conversation.show(Text("\n".join(explain(failure, remedies=not follows)), style="red"))
    return "next"


def recorded_failure(run_dir: Path) -> dict[str, Any]:
    """Return what training has written of its failure; a lost file leaves it unknown."""
    found = files.read_json(run_dir / FAILURE_FILE)
    if found is None:
        found = (status_of(run_dir) or {}).get("failure")  # a job that ended without a word
    if found is None or not {"kind", "error"} <= found.keys():
        return {"kind": UNKNOWN.name, "error": "-"}
    return found
