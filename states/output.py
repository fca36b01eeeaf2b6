"""output: where the run is written."""

import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.base.typed_paths import at_home, expand, real_path
from srwizard.base.visible import in_shell
from srwizard.prompts.question import Question
from srwizard.settings import run_config
from srwizard.states.model import begin_forecasts
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.option_questions import question, questions
from srwizard.wizard.session import Session


def run(conversation: Conversation) -> str:
    """Ask for the run directory."""
    if conversation.prompts.interactive:
        # The list of models comes next: by then their figures may be there.
        begin_forecasts(conversation)
    conversation.ask_in_turn(
        [
            lambda: directory_question(conversation),
            *questions(
                conversation, "output", ["always", "common", "on_request"], leave_out=["dir"]
            ),
        ]
    )
    return "next"


def directory_question(conversation: Conversation) -> Question:
    return replace(
        question(conversation, "output.dir"),
        default=str(_proposed(conversation.session.answers.data.root or "")),
        check=lambda text: problem_with(text, conversation.session),
        is_path=True,
    )


def stale(conversation: Conversation) -> str | None:
    """Say why the run directory can no longer be written to, or None."""
    return problem_with(conversation.session.answers.output.dir or "", conversation.session)


def problem_with(text: str, session: Session) -> str | None:
    """Say why a run cannot be written to this directory, or None where it can."""
    if not text:
        return _("please name a directory")
    if "\0" in text:
        return _("no path holds the character NUL")
    path = expand(text)
    try:
        existing = nearest_existing(path)
        if not existing.is_dir():
            return _("{path} is a file", path=existing)
        resolved = real_path(path)
        if resolved in (resolved.parent, real_path(at_home(Path("~")))):
            return _(
                "a run needs a directory of its own; name one below {path}, e.g. {below}",
                path=path, below=path / "runs" / "first",
            )  # fmt: skip
        if _lies_in_dataset(path, session.answers.data.root):
            return _("{path} lies in the dataset, which is never written to", path=path)
        if holds_foreign_run(path, session):
            return _(
                "{path} already holds a run; choose another directory, or see how that one goes "
                "on: srwizard status {quoted}",
                path=path,
                quoted=in_shell(path),
            )
    except OSError as error:
        return _("{path} cannot be used: {reason}", path=path, reason=reason_of(error))
    return cannot_be_written(existing)


def nearest_existing(path: Path) -> Path:
    """Return a path, or the nearest directory above it that is there.

    Raises:
        OSError: what is there is a link that leads nowhere, or in a circle.
    """
    found = next(above for above in (path, *path.parents) if os.path.lexists(above))
    found.stat()
    return found


def cannot_be_written(directory: Path) -> str | None:
    """Say why nothing can be made in a directory, or None where it can.

    Permissions do not tell: a file system can be read-only, or not a real one, as /proc.
    """
    try:
        with TemporaryDirectory(prefix=".srwizard-", dir=directory):
            return None
    except OSError as error:
        return _(
            "nothing can be written in {path}: {reason}", path=directory, reason=reason_of(error)
        )


def holds_foreign_run(run_dir: Path, session: Session) -> bool:
    """Return whether another session's run lies in `run_dir`."""
    there = (run_dir / run_config.FILE_NAME).exists()
    return there and run_config.digest_in(run_dir) not in session.digests


def _lies_in_dataset(path: Path, root: str | None) -> bool:
    return root is not None and real_path(path).is_relative_to(real_path(expand(root)))


def follow_dataset(before: str, session: Session) -> None:
    """Propose the run directory anew for another dataset than `before`; one of one's own stays.

    So does one that a run was frozen in.
    """
    answers = session.answers
    if not session.digests and answers.output.dir == _kept(_proposed(before)):
        answers.set("output.dir", _kept(_proposed(answers.data.root or "")))


def _kept(path: Path) -> str:
    """Return a proposal as the answers keep it: absolute."""
    return str(expand(str(path)))


def _proposed(root: str) -> Path:
    """Return a directory for a new run: below the working directory, or beside the dataset."""
    dataset = expand(root)
    here = Path("runs") / (dataset.name or "run")
    if _lies_in_dataset(expand(str(here)), root or None):
        here = dataset.with_name(f"{dataset.name}-runs") / "run"
    return _free(here)


def _free(path: Path) -> Path:
    """Return `path`, or `path-2`, … where no run is yet."""
    candidate, number = path, 1
    while (candidate / run_config.FILE_NAME).exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate
