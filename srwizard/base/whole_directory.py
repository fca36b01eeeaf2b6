"""A directory that appears whole or not at all: made beside its place, then given its name."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from srwizard.base.errors import UsageError
from srwizard.base.files import sync_directory
from srwizard.base.i18n import translate as _
from srwizard.base.locks import locked_file, unlock
from srwizard.base.os_errors import reason_of
from srwizard.base.typed_paths import real_path

LOCK_NAME = ".lock"
"""Left in the directory where a process is killed just as that has got its name."""


@contextmanager
def whole_directory(target: Path, check: Callable[[Path], None]) -> Iterator[Path]:
    """Give an empty directory that becomes `target` at the end, or vanishes on any exception.

    It stands beside the target as `.NAME.preparing`. What a killed process left there is removed
    by the next run, and an earlier directory that it had moved aside is put back.

    Args:
        target: the directory to make, or to replace.
        check: raises where what is there must not be replaced.

    Raises:
        UsageError: the directory cannot be written, the disk is full, another process is
            making the same one, or `check` refuses it.
    """
    target = real_path(target)
    staging = target.with_name(f".{target.name}.preparing")
    earlier = target.with_name(f".{target.name}.replaced")
    try:
        with _exclusive(staging, target):
            try:
                _recover(target, staging, earlier)
                check(target)  # what was just put back must not be replaced unasked
                yield staging
                _publish(staging, target, earlier)
            except BaseException:
                shutil.rmtree(staging, ignore_errors=True)
                raise
    except OSError as error:
        raise UsageError(
            _("{path} cannot be written: {reason}.", path=target, reason=reason_of(error)),
            _("Check the free space and the permissions, then run it again."),
        ) from error


@contextmanager
def _exclusive(staging: Path, target: Path) -> Iterator[None]:
    while True:
        staging.mkdir(parents=True, exist_ok=True)
        try:
            lock = locked_file(staging / LOCK_NAME)
            break
        except FileNotFoundError:  # the directory has got its name just now
            continue
        except BlockingIOError as error:
            raise UsageError(
                _("Another process is writing {path} right now.", path=target),
                _("Wait for it to end, or choose another directory."),
            ) from error
    try:
        yield
    finally:
        unlock(lock)


def _recover(target: Path, staging: Path, earlier: Path) -> None:
    """Undo what a killed process left: half a directory, or one moved aside."""
    for leftover in staging.iterdir():
        if leftover.is_dir():
            shutil.rmtree(leftover)
        elif leftover.name != LOCK_NAME:
            leftover.unlink()
    if earlier.exists():
        if target.exists():
            shutil.rmtree(earlier)
        else:
            earlier.rename(target)


def _publish(staging: Path, target: Path, earlier: Path) -> None:
    """Put `staging` in the place of `target`; the earlier target goes when the new one stands."""
    replacing = target.exists()
    if replacing:
        target.rename(earlier)
    try:
        staging.rename(target)
    except BaseException:
        if replacing:
            earlier.rename(target)
        raise
    # Not before: who finds no lock in the staging directory takes it for what a killed one left.
    (target / LOCK_NAME).unlink(missing_ok=True)
    sync_directory(target.parent)
    if replacing:
        shutil.rmtree(earlier, ignore_errors=True)
