"""The directory that a dataset is written to, and what of another must not be replaced by it."""

from collections.abc import Sequence
from pathlib import Path

from srwizard.base.errors import UsageError
from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.base.typed_paths import real_path
from srwizard.base.whole_directory import LOCK_NAME
from srwizard.data.split_names import SPLITS

MANIFEST_NAME = "manifest.json"


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
    own = {MANIFEST_NAME, "static_variables", LOCK_NAME, *SPLITS}
    own.update(f"{split}.{suffix}" for split in SPLITS for suffix in ("h5", "nc"))
    foreign = [name for name in entries if name not in own]
    if foreign:
        raise UsageError(
            _("{path} holds {names}, which is not part of a dataset, and is not replaced.",
              path=target, names=listed(foreign[:3])),
            _("Choose another directory, or move those files away."),
        )  # fmt: skip
    inside = [path for path in sources if real_path(path).is_relative_to(real_path(target))]
    if inside:
        raise UsageError(
            _("Source {path} lies in {target}, which would be replaced.",
              path=inside[0], target=target),
            _("Choose another directory."),
        )  # fmt: skip
