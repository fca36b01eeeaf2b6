"""Where checkpoints lie. Imports no torch.

One in a single file is `checkpoints/NAME.pt`. The last one of a training whose weights are sharded
is a directory, to which each process writes its part: `checkpoints/last/N`, the one with the
largest N that is complete.
"""

import shutil
from pathlib import Path

DIRECTORY = Path("checkpoints")
LAST, BEST = "last", "best"
NAMES = (BEST, LAST)
COMPLETE = ".metadata"
"""torch.distributed.checkpoint writes it when everything else is there, and by renaming."""


def single(run_dir: Path, name: str) -> Path:
    """Return the file of checkpoint `name` ("last" or "best"), were it in one."""
    return run_dir / DIRECTORY / f"{name}.pt"


def sharded(run_dir: Path, name: str = LAST) -> Path | None:
    """Return the newest complete directory of checkpoint `name`, None where there is none.

    A process that was killed between writing one form and removing the other leaves both; the
    later one counts.
    """
    found = [part for part in numbered(run_dir, name) if (part / COMPLETE).is_file()]
    if not found:
        return None
    file = single(run_dir, name)
    if file.exists() and file.stat().st_mtime > (found[-1] / COMPLETE).stat().st_mtime:
        return None
    return found[-1]


def where(run_dir: Path, name: str) -> Path:
    """Return the file or directory of a checkpoint; where there is none, the file."""
    return sharded(run_dir, name) or single(run_dir, name)


def exists(run_dir: Path, name: str) -> bool:
    """Return whether there is such a checkpoint."""
    return where(run_dir, name).exists()


def numbered(run_dir: Path, name: str = LAST) -> list[Path]:
    """Return all directories of checkpoint `name`, complete or not, in their order."""
    found = (run_dir / DIRECTORY / name).glob("*")
    return sorted(
        (part for part in found if part.name.isdecimal()), key=lambda part: int(part.name)
    )


def next_directory(run_dir: Path, name: str = LAST) -> Path:
    """Return the directory that comes next."""
    earlier = [int(part.name) for part in numbered(run_dir, name)]
    return run_dir / DIRECTORY / name / str(max(earlier, default=0) + 1)


def remove_other_than(kept: Path, run_dir: Path, name: str = LAST) -> None:
    """Remove what a checkpoint that is complete replaces: earlier directories, and the file."""
    for part in numbered(run_dir, name):
        if part != kept:
            # First the mark: what is half removed must not pass for a checkpoint.
            (part / COMPLETE).unlink(missing_ok=True)
            shutil.rmtree(part, ignore_errors=True)
    if kept != single(run_dir, name):
        single(run_dir, name).unlink(missing_ok=True)


def remove_unfinished(run_dir: Path) -> None:
    """Remove what a process that was killed while saving has left."""
    for name in NAMES:
        file = single(run_dir, name)
        for unfinished in file.parent.glob(f".{file.name}.*.tmp"):
            unfinished.unlink(missing_ok=True)
        for part in numbered(run_dir, name):
            if not (part / COMPLETE).is_file():
                shutil.rmtree(part, ignore_errors=True)
