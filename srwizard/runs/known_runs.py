"""Which runs this user has launched: one small file for each, in the user's state directory."""

import contextlib
import hashlib
from pathlib import Path

from srwizard.base import files
from srwizard.base.errors import UsageError
from srwizard.base.special_files import require_file
from srwizard.base.typed_paths import real_path
from srwizard.base.user_directories import state_directory
from srwizard.settings import run_config

BELOW = ("*", "runs/*")
"""Where a run directory of the directory one stands in is likely to be."""


def remember(run_dir: Path) -> None:
    """Note that a run was launched. Where that cannot be written, it is left out."""
    run_dir = run_dir.absolute()
    name = hashlib.sha256(str(run_dir).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    with contextlib.suppress(OSError, UnicodeError, UsageError):
        directory().mkdir(parents=True, exist_ok=True)
        files.write_json(directory() / f"{name}.json", {"run_dir": str(run_dir)})


def known(here: Path) -> list[Path]:
    """Return the runs that were launched, and those below `here`, the last changed one last.

    What is no run directory any more is forgotten; but not with the directory that it was in: a
    disk may not be mounted at present.
    """
    found = {path.parent for pattern in BELOW for path in here.glob(f"{pattern}/run.yaml")}
    for entry in directory().glob("*.json"):
        try:
            run_dir = Path(
                files.parse_json(require_file(entry).read_text(encoding="utf-8"))["run_dir"]
            )
            there = (run_dir / run_config.FILE_NAME).is_file()
            away = not there and not run_dir.parent.is_dir()
        except (OSError, ValueError, KeyError, TypeError):
            there = away = False
        if there:
            found.add(run_dir)
        elif not away:
            with contextlib.suppress(OSError):
                entry.unlink()
    resolved = {real_path(path): path.absolute() for path in found}
    return sorted(resolved.values(), key=_last_change)


def directory() -> Path:
    """Return where the launched runs are noted."""
    return state_directory() / "runs"


def _last_change(run_dir: Path) -> float:
    for name in ("status.json", run_config.FILE_NAME):
        with contextlib.suppress(OSError):
            return (run_dir / name).stat().st_mtime
    return 0.0
