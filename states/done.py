"""done: what came out, and where it is."""

from rich.text import Text

from srwizard.base.i18n import translate as _
from srwizard.runs.outcome import outcome
from srwizard.runs.records import measured
from srwizard.states.frozen import run_directory
from srwizard.wizard.conversation import Conversation


def run(conversation: Conversation) -> str:
    """Show the metrics of the test split and the way to the report."""
    run_dir = run_directory(conversation)
    found = outcome(
        measured(run_dir).test or {"variables": {}}, run_dir, conversation.prompts.columns
    )
    conversation.show(found.table)
    for sentence in found.sentences:
        conversation.show(Text(sentence))
    for warning in found.warnings:
        conversation.show(Text(warning, style="yellow"))
    conversation.show(Text(_("Report: {path}", path=run_dir / "report.html")))
    return "next"
