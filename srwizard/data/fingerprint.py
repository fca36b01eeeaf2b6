"""How a part of a dataset is told from a changed one, in three ways.

A *fingerprint* is cheap: of each file its name, its size, and blocks of its content (the header,
the end, and places spread between them). It tells one dataset from another while questions are
asked, and runs of version 0.1.0 hold nothing else.

A *content* digest is of every byte, taken once when a run is frozen, where every value is looked
at too. A *stamp* is of size, times and inode of each file. Whoever uses a frozen dataset compares
stamps; only where they differ, as in a copy, the content is read and compared.

Files that an HDF5 file links to, or is a virtual view of, belong to it.

This is the only place that knows how a part of a dataset is told from a changed one; what is taken
of each file for that is in `file_digests`.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.data.file_digests import (
    WHOLE_CONTENT,
    FileStamp,
    content_digest,
    sampled_digest,
    stamp_digest,
)
from srwizard.data.layout import LEVELS, Contents, FieldKey, Layout, require_root
from srwizard.data.split_names import SPLITS

Progress = Callable[[int, int], None]


_contents_read: dict[tuple[str, str, str], str] = {}
"""By directory, part and stamp."""


def fingerprint(
    contents: Contents,
    variables: Sequence[str],
    statics: Sequence[Path] = (),
    known: MutableMapping[str, str] | None = None,
) -> dict[str, str]:
    """Return a digest for each part of the dataset: `{"train/hr/temp": "…", …}`.

    Args:
        contents: the dataset.
        variables: those that are trained on; others do not count.
        statics: the files of static fields that are used.
        known: digests that were taken of these contents before; they are not taken again, and
            new ones are added.

    Raises:
        DatasetError: a part is not there, or a file cannot be read.
    """
    return _taken(sampled_digest, contents, variables, statics, known)


def stamps(
    contents: Contents,
    variables: Sequence[str],
    statics: Sequence[Path] = (),
    known: MutableMapping[str, str] | None = None,
    seen: MutableMapping[str, list[FileStamp]] | None = None,
    progress: Progress = lambda _done, _total: None,
) -> dict[str, str]:
    """Return a digest of sizes, times and inodes of the files of each part; as `fingerprint`.

    Args:
        contents, variables, statics, known: as for `fingerprint`.
        seen: what the digests are of is added, by file of the dataset.
        progress: called with files looked up and files in all.
    """
    parts = _parts(contents, variables, statics)
    total = sum(len(files) for part, files in parts.items() if part not in (known or {}))
    looked_up = count(1)

    def digest(files: Iterable[Path]) -> str:
        found: MutableMapping[str, list[FileStamp]] = {} if seen is None else seen
        return stamp_digest(_counted(files, lambda: progress(next(looked_up), total)), found)

    return _taken(digest, contents, variables, statics, known)


def _counted(files: Iterable[Path], done: Callable[[], None]) -> Iterator[Path]:
    for file in files:
        yield file
        done()


def _taken(
    digest: Callable[[Iterable[Path]], str],
    contents: Contents,
    variables: Sequence[str],
    statics: Sequence[Path],
    known: MutableMapping[str, str] | None,
) -> dict[str, str]:
    """Return a digest of the files of each part; those that are known are not taken again."""
    known = {} if known is None else known
    parts = _parts(contents, variables, statics)
    for part, files in parts.items():
        if part not in known:
            with _readable(contents.root):
                known[part] = digest(files)
    return {part: known[part] for part in parts}


def content_digests(
    contents: Contents,
    variables: Sequence[str],
    statics: Sequence[Path],
    stamped: Mapping[str, str],
    progress: Progress = lambda _done, _total: None,
) -> dict[str, str]:
    """Return a digest of all bytes of each part.

    Args:
        contents, variables, statics: as for `fingerprint`.
        stamped: from `stamps`, taken before; what this process has read with the same stamp is
            not read again.
        progress: called with files read and files in all.

    Raises:
        DatasetError: as `fingerprint`.
    """
    parts = _parts(contents, variables, statics)
    done, total = 0, sum(map(len, parts.values()))
    found = {}
    for part, files in parts.items():
        key = str(contents.root), part, stamped[part]
        if key not in _contents_read:
            with _readable(contents.root):
                further = partial(_further, progress, done, total)
                _contents_read[key] = content_digest(files, further)
        found[part] = _contents_read[key]
        done += len(files)
        progress(done, total)
    return found


def parts_changed(
    contents: Contents,
    variables: Sequence[str],
    statics: Sequence[Path],
    frozen: Mapping[str, str],
    stamped: Mapping[str, str],
    known: MutableMapping[str, str] | None = None,
    fingerprints: Mapping[str, str] | None = None,
    progress: Progress = lambda _done, _total: None,
) -> list[str]:
    """Return the parts of a dataset that are not as they were frozen.

    Args:
        contents, variables, statics: as for `fingerprint`.
        frozen: the digests of a run: of the content, or fingerprints in older runs.
        stamped: its stamps; none in older runs.
        known: stamps that were taken of these contents before.
        fingerprints: likewise.
        progress: called with files and files in all, while they are looked up and again while
            those are read whose stamps differ.

    Raises:
        DatasetError: as `fingerprint`.
    """
    present = stamps(contents, variables, statics, known, progress=progress)
    changed = set(frozen.keys() ^ present.keys())
    parts = _parts(contents, variables, statics)
    others = [part for part in frozen.keys() & present.keys()
              if stamped.get(part) != present[part]]  # fmt: skip
    read, total = count(1), sum(len(parts[part]) for part in others)
    for part in others:
        files = _counted(parts[part], lambda: progress(next(read), total))
        with _readable(contents.root):
            if not is_content(files, frozen[part], (fingerprints or {}).get(part)):
                changed.add(part)
    return sorted(changed)


def is_content(files: Iterable[Path], frozen: str, fingerprint: str | None = None) -> bool:
    """Return whether the files of a part hold what a digest is of.

    Args:
        files: in the order of their steps.
        frozen: a digest of the content; or a fingerprint, as older runs have it.
        fingerprint: one that was taken of these files before.

    Raises:
        OSError: a file cannot be read.
    """
    if frozen.startswith(WHOLE_CONTENT):
        return content_digest(files) == frozen
    return (fingerprint or sampled_digest(files)) == frozen


def stored_in(layout: Layout, key: FieldKey) -> str:
    """Return the name of the part that a field belongs to."""
    return "/".join(key) if layout == "npy" else key[0]


def _further(progress: Progress, begun: int, total: int, done: int) -> None:
    progress(begun + done, total)


@contextlib.contextmanager
def _readable(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DatasetError(
            _(
                "{path} cannot be read: {reason}",
                path=error.filename or root,
                reason=reason_of(error),
            )
        ) from None


def changed_parts(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the parts of a dataset that are not in both, or not the same.

    Args:
        before, now: fingerprints, or stamps, of a part.
    """
    return sorted(part for part in before.keys() | now.keys() if before.get(part) != now.get(part))


def is_same_data(one: Mapping[str, str], other: Mapping[str, str]) -> bool | None:
    """Return whether two runs were frozen with the same data; None: that cannot be told.

    Args:
        one, other: digests of the same parts: of the content, or fingerprints as in older runs,
            which say nothing of each other.
    """
    if one.keys() != other.keys():
        return False
    alike = [
        one[part] == other[part]
        for part in one
        if one[part].startswith(WHOLE_CONTENT) == other[part].startswith(WHOLE_CONTENT)
    ]
    if not all(alike):
        return False
    return True if len(alike) == len(one) else None


def _parts(
    contents: Contents, variables: Sequence[str], statics: Sequence[Path]
) -> dict[str, Sequence[Path]]:
    """Return the files of each part.

    Raises:
        DatasetError: there is no such part.
    """
    parts: dict[str, Sequence[Path]] = {
        "/".join(["static", file.parent.name, file.stem]): [file] for file in statics
    }
    if contents.layout != "npy":
        files = {split: [contents.root / f"{split}.{contents.layout}"] for split in SPLITS}
        return parts | files
    for split in SPLITS:
        for level in LEVELS:
            for variable in variables:
                part = f"{split}/{level}/{variable}"
                if (split, level, variable) not in contents.fields:
                    require_root(contents.root)
                    raise DatasetError(
                        _("the dataset {root} no longer has {part}", root=contents.root, part=part)
                    )
                field = contents.fields[split, level, variable]
                parts[part] = [field.path(index) for index in range(len(field.steps))]
    return parts
