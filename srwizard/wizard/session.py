"""A session: the answers so far, the state the wizard is in, and how it came there.

Saved whole after every answer and every transition, so that nothing is lost by a kill.
"""

import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from srwizard.base import files
from srwizard.base.errors import SrwizardError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.base.special_files import require_file
from srwizard.base.typed_paths import at_home
from srwizard.base.user_directories import state_directory
from srwizard.runs.run_state import RunState, state_title
from srwizard.settings.answers import Answers
from srwizard.wizard import reason as reasons
from srwizard.wizard.reason import Reason
from srwizard.wizard.transition_table import FINAL, NAMES, START, title_of

SCHEMA_VERSION = 2
WITH_REASON = 2
"""The first version of a session file that holds why its state was entered."""


@dataclass
class Session:
    """Everything that must outlive the process."""

    id: str
    created: str
    state: str = START
    reason: Reason | None = None
    """Why this state was entered, where that is more than the way forward or back."""
    answers: Answers = field(default_factory=lambda: Answers())
    history: list[dict[str, str]] = field(default_factory=list)
    """The transitions so far, for people who look into the file; nothing depends on it."""
    editing: bool = False
    digests: list[str] = field(default_factory=list)
    """Of the run configs that this session has frozen, or was about to; the latest last."""
    fingerprint: dict[str, str] | None = None
    """Of the dataset when it was chosen, in sessions that hold no stamps."""
    stamps: dict[str, str] | None = None
    """Of the dataset when it was chosen: see `srwizard.data.fingerprint`."""
    recipe: dict[str, Any] = field(default_factory=dict)
    """The answers that were taken from the recommended recipe, by key."""
    before_faster: dict[str, Any] = field(default_factory=dict)
    """The answers that were there before spare memory was used, by key."""
    path: Path | None = None

    @property
    def digest(self) -> str | None:
        """Digest of the run config that this session froze last."""
        return self.digests[-1] if self.digests else None

    @property
    def is_detached(self) -> bool:
        """Whether training was left to go on without the wizard."""
        return self.reason is not None and self.reason.kind == reasons.DETACHED

    @property
    def lock_path(self) -> Path:
        """The lock file of this session."""
        return (self.path or sessions_directory() / f"{self.id}.json").with_suffix(".lock")

    def enter(self, state: str, trigger: str, reason: Reason | None = None) -> None:
        """Make a transition, and note it in the history."""
        self.history.append({"time": _now(), "from": self.state, "trigger": trigger, "to": state})
        self.state, self.reason = state, reason

    def save(self) -> None:
        """Write the session to its file, whole or not at all.

        Raises:
            UsageError: the file cannot be written; the earlier one is left as it was.
        """
        if self.path is None:
            self.path = sessions_directory() / f"{self.id}.json"
        content = {
            "schema_version": SCHEMA_VERSION,
            "id": self.id,
            "created": self.created,
            "updated": _now(),
            "state": self.state,
            "reason": None if self.reason is None else asdict(self.reason),
            "answers": self.answers.decided(),
            "editing": self.editing,
            "digests": self.digests,
            "fingerprint": self.fingerprint,
            "stamps": self.stamps,
            "recipe": self.recipe,
            "before_faster": self.before_faster,
            "history": self.history,
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            files.write_json(self.path, content)
        except OSError as error:
            raise UsageError(
                _(
                    "cannot save the session {path}: {reason}",
                    path=self.path,
                    reason=reason_of(error),
                ),
                _(
                    "The session as last saved is untouched. Free some space or get write "
                    "permission there."
                )
                if self.path.exists()
                else _(
                    "Free some space or get write permission there, or name another place: "
                    "XDG_STATE_HOME."
                ),
            ) from None


def sessions_directory() -> Path:
    """Return where sessions are kept: the user's state directory."""
    return state_directory() / "sessions"


def new_session() -> Session:
    """Begin a session. It is not on disk until it is saved."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    return Session(id=f"{stamp}-{secrets.token_hex(2)}", created=_now())


def load(path: Path) -> Session:
    """Read a saved session.

    Raises:
        UsageError: the file is missing, damaged, or of a newer version. It is left untouched.
    """
    try:
        stored = files.parse_json(require_file(path).read_text(encoding="utf-8"))
        if int(stored["schema_version"]) > SCHEMA_VERSION:
            raise UsageError(
                _("the session {path} was written by a newer srwizard", path=path),
                _("Install that version. The file is left unchanged."),
            )
        return _from_json(stored, path)
    except OSError as error:
        raise UsageError(
            _("cannot read the session {path}: {reason}", path=path, reason=reason_of(error))
        ) from None
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, ValidationError):
        raise UsageError(
            _("the session {path} is damaged", path=path),
            _("The file is left unchanged. Start over with: srwizard"),
        ) from None


def _from_json(stored: dict[str, Any], path: Path) -> Session:
    """Make a session of what its file holds.

    Raises:
        ValueError, KeyError, TypeError: something is missing, or is of another kind.
    """
    if stored["state"] not in NAMES:
        raise ValueError(stored["state"])
    fingerprint, stamps = stored["fingerprint"], stored.get("stamps")
    session = Session(
        id=str(stored["id"]),
        created=str(stored["created"]),
        state=stored["state"],
        answers=Answers.model_validate(stored["answers"]),
        history=[dict(entry) for entry in stored["history"]],
        editing=bool(stored["editing"]),
        digests=[str(digest) for digest in stored["digests"]],
        fingerprint=None if fingerprint is None else dict(fingerprint),
        stamps=None if stamps is None else dict(stamps),
        recipe=dict(stored.get("recipe", {})),
        before_faster=dict(stored.get("before_faster", {})),
        path=path,
    )
    session.reason = _reason_of(session, stored)
    if session.reason is None and session.state in reasons.NEEDED_BY:
        raise ValueError(session.state)
    return session


def _reason_of(session: Session, stored: dict[str, Any]) -> Reason | None:
    if int(stored["schema_version"]) >= WITH_REASON:
        return reasons.from_json(stored["reason"])
    run_dir = at_home(Path(session.answers.output.dir or ""))
    return reasons.rebuilt(session.state, session.history, run_dir, session.digest)


def find(name: str) -> Path:
    """Return the file of a session, by path or by id.

    Raises:
        UsageError: there is no such session.
    """
    for path in (Path(name), sessions_directory() / f"{name}.json"):
        if path.is_file():
            return path
    raise UsageError(
        _("there is no session {name}", name=name),
        _("Sessions are kept in {directory}", directory=sessions_directory()),
    )


def unfinished() -> list[Session]:
    """Return the sessions that can be gone on with, the latest saved first.

    Damaged ones and those of a newer version are passed over; by name, `load` says why. So are
    those whose run was completed without the wizard.
    """
    found = []
    for path in newest_first():
        try:
            session = load(path)
        except UsageError:
            continue
        if session.state not in FINAL and not _is_completed(session):
            found.append(session)
    return found


def _is_completed(session: Session) -> bool:
    """Return whether the run that a session has frozen was trained elsewhere, and scored.

    One whose own training has ended meanwhile shows what came of it when it is gone on with.
    """
    begun = session.state == "launch" or session.is_detached
    if begun or not session.digests or not session.answers.output.dir:
        return False
    if _run_state(session) != RunState.COMPLETED:
        return False
    from srwizard.settings import run_config  # with numpy, as below

    try:
        run = run_config.load(at_home(Path(session.answers.output.dir)))
        return run.digest in session.digests
    except SrwizardError:  # changed by hand
        return False


def newest_first() -> Iterator[Path]:
    """Yield the session files, the latest saved first."""
    directory = sessions_directory()
    if directory.is_dir():
        yield from sorted(directory.glob("*.json"), key=_saved_at, reverse=True)


def _saved_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # a link to nowhere, or just deleted
        return 0.0


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def stage_text(session: Session) -> str:
    """Return what a session is at; where its training has begun, how its run stands."""
    state = _run_state(session) if session.state == "launch" else None
    if state is not None:
        return _("training: {state}", state=state_title(state))
    return title_of(session.state)


def _run_state(session: Session) -> Any:
    """Return what the run in a session's run directory is said to be at; None: there is none."""
    if not session.answers.output.dir:
        return None
    from srwizard.runs.status import status_of  # with numpy: not before the first question

    status = status_of(at_home(Path(session.answers.output.dir)))
    return None if status is None else status["state"]


def age_text(session: Session) -> str:
    """Return how long ago a session was saved last."""
    assert session.path is not None
    minutes = round((time.time() - session.path.stat().st_mtime) / 60)
    if minutes < 1:
        return _("just now")
    if minutes < 60:
        return _("{count} min ago", count=minutes)
    if minutes < 48 * 60:
        return _("{count} h ago", count=round(minutes / 60))
    return _("{count} days ago", count=round(minutes / 60 / 24))
