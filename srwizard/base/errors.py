"""Errors that a user can act on: one message, a place, what to do, and an exit code."""

from typing import Any

EXIT_DONE = 0
EXIT_INTERNAL = 1
EXIT_USAGE = 2
EXIT_DATASET = 3
EXIT_MEMORY = 4
EXIT_TRAINING = 5
EXIT_NEEDS_PERSON = 6
EXIT_INTERRUPTED = 130


class SrwizardError(Exception):
    """What is wrong, and what to do about it.

    Args:
        message: what is wrong and where (file, key, line), in the user's language.
        hint: what to do; may be empty.
    """

    exit_code = EXIT_INTERNAL

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SrwizardError):
    """A command line or an answers file that cannot be followed."""

    exit_code = EXIT_USAGE


class DatasetError(SrwizardError):
    """A dataset that cannot be used for training."""

    exit_code = EXIT_DATASET


class DoesNotFitError(SrwizardError):
    """The measured peak is too near to, or above, the memory there is."""

    exit_code = EXIT_MEMORY


class TrainingFailedError(SrwizardError):
    """Training ended with an error; failure.json says why.

    Args:
        message: as for every error.
        hint: as for every error.
        failure: what failure.json holds, where the training itself failed.
    """

    exit_code = EXIT_TRAINING

    def __init__(self, message: str, hint: str = "", failure: dict[str, Any] | None = None) -> None:
        super().__init__(message, hint)
        self.failure = failure


class NeedsPersonError(SrwizardError):
    """Stopped for an answer that only a person may give."""

    exit_code = EXIT_NEEDS_PERSON


class InterruptedByUserError(SrwizardError):
    """Interrupted; the session or the checkpoint is saved."""

    exit_code = EXIT_INTERRUPTED
