"""Where this user's sessions and caches are kept, also where there is no home to keep them in."""

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import platformdirs

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _


def state_directory() -> Path:
    """Return where sessions and the list of runs are kept; `XDG_STATE_HOME` chooses it.

    Raises:
        UsageError: there is no home, and what stands in for it is not ours.
    """
    return _chosen("XDG_STATE_HOME", platformdirs.user_state_dir)


def cache_directory() -> Path:
    """Return where is kept what can be worked out again; `XDG_CACHE_HOME` chooses it.

    Raises:
        UsageError: as `state_directory`.
    """
    return _chosen("XDG_CACHE_HOME", platformdirs.user_cache_dir)


def notice_of_fallback() -> str | None:
    """Say where sessions are kept if not in the user's home; None where they are there."""
    directory = state_directory()
    if directory != _stand_in():
        return None
    return _(
        "The home directory cannot be written: sessions are kept in {path}, which may be emptied "
        "when the machine restarts. XDG_STATE_HOME names another place.",
        path=directory,
    )


def _chosen(variable: str, usual: Callable[[str], str]) -> Path:
    """Return the usual directory if it was named, or can be written; else one in place of it."""
    if os.environ.get(variable):
        return Path(usual("srwizard"))
    try:
        directory = Path(usual("srwizard"))
        directory.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: neither HOME nor the user database names one
        return _made(_stand_in())
    return directory if os.access(directory, os.W_OK | os.X_OK) else _made(_stand_in())


def _stand_in() -> Path:
    return Path(tempfile.gettempdir()) / f"srwizard-{os.getuid()}"


def _made(directory: Path) -> Path:
    """Make a directory of this user alone, in a place where everybody may write.

    Raises:
        UsageError: somebody else has made it, or it cannot be made.
    """
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
        ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    except OSError:
        ours = False
    if not ours:
        raise UsageError(
            _("neither the home directory nor {path} can be used for sessions", path=directory),
            _("Name a directory that you can write to: export XDG_STATE_HOME=DIRECTORY"),
        )
    return directory
