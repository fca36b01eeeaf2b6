"""The directory that a dataset is written to: it appears whole or not at all."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from srwizard.base.errors import UsageError
from srwizard.base.files import sync_directory
from srwizard.base.i18n import translate as _
from srwizard.base.locks import locked_file, unlock
from srwizard.base.os_errors import reason_of
from srwizard.data.split_names import SPLITS

MANIFEST_NAME = "manifest.json"

_LOCK_NAME = ".lock"


def check_target(target: Path, *, overwrite: bool, sources: Sequence[Path]) -> None:
    """Refuse a target that is in the way, before any work is done.

    Raises:
        UsageError: the target is a file; it is not empty and `overwrite` is false; it holds
            something that is not part of a dataset, which is never deleted; it holds a source.
    """
    if target.exists() and not target.is_dir():
        raise UsageError(
            _("{path} is a file, not a directory.", path=target), _("Choose another directory.")
        )
    entries = sorted(entry.name for entry in target.iterdir()) if target.exists() else []
    if not entries:
        return
    if not overwrite:
        raise UsageError(
            _("{path} is not empty.", path=target),
            _("Choose another directory, or replace the dataset in it: --overwrite"),
        )
    # The lock is left where a process is killed just as the dataset has got its name.
    own = {MANIFEST_NAME, "static_variables", _LOCK_NAME, *SPLITS}
    own.update(f"{split}.{suffix}" for split in SPLITS for suffix in ("h5", "nc"))
    foreign = [name for name in entries if name not in own]
    if foreign:
        raise UsageError(
            _("{path} holds {names}, which is not part of a dataset, and is not replaced.",
              path=target, names=", ".join(foreign[:3])),
            _("Choose another directory, or move those files away."),
        )  # fmt: skip
    inside = [path for path in sources if path.resolve().is_relative_to(target.resolve())]
    if inside:
        raise UsageError(
            _("Source {path} lies in {target}, which would be replaced.",
              path=inside[0], target=target),
            _("Choose another directory."),
        )  # fmt: skip


@contextmanager
def staged_directory(target: Path, *, overwrite: bool, sources: Sequence[Path]) -> Iterator[Path]:
    """Give an empty directory that becomes `target` at the end, or vanishes on any exception.

    It stands beside the target as `.NAME.preparing`. What a killed process left there is removed
    by the next run, and an earlier dataset that it had moved aside is put back.

    Raises:
        UsageError: the directory cannot be written, the disk is full, another process is
            preparing the same target, or `check_target` refuses it.
    """
    target = target.resolve()
    staging = target.with_name(f".{target.name}.preparing")
    earlier = target.with_name(f".{target.name}.replaced")
    try:
        with _exclusive(staging, target):
            try:
                _recover(target, staging, earlier)
                # Once more: what was just put back must not be replaced unasked.
                check_target(target, overwrite=overwrite, sources=sources)
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
            lock = locked_file(staging / _LOCK_NAME)
            break
        except FileNotFoundError:  # the directory has got its name just now
            continue
        except BlockingIOError as error:
            raise UsageError(
                _("Another process is preparing {path} right now.", path=target),
                _("Wait for it to end, or choose another directory."),
            ) from error
    try:
        yield
    finally:
        unlock(lock)


def _recover(target: Path, staging: Path, earlier: Path) -> None:
    """Undo what a killed process left: half a dataset, or a target moved aside."""
    for leftover in staging.iterdir():
        if leftover.is_dir():
            shutil.rmtree(leftover)
        elif leftover.name != _LOCK_NAME:
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
    (target / _LOCK_NAME).unlink(missing_ok=True)
    sync_directory(target.parent)
    if replacing:
        shutil.rmtree(earlier, ignore_errors=True)
