"""How long a training may take, and whether it is predicted to take longer."""

from collections.abc import Mapping
from typing import Any

from srwizard.base.sizes_and_times import seconds_in
from srwizard.wizard.conversation import Conversation


def budget_seconds(conversation: Conversation) -> float | None:
    """Return how long the training may take, None where that does not matter."""
    text = conversation.session.answers.training.time_budget
    return None if text is None else seconds_in(text)


def is_over_budget(conversation: Conversation, figures: Mapping[str, Any]) -> bool:
    """Return whether the training is predicted to take longer than it may.

    Args:
        conversation: whose answers hold the budget; one that ends before training has time.
        figures: `run_seconds` as the dry run has found it, if it has.
    """
    budget, predicted = budget_seconds(conversation), figures.get("run_seconds")
    if budget is None or predicted is None or conversation.stop_after == "dry_run":
        return False
    return bool(predicted > budget)
