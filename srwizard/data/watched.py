"""Fields of a frozen dataset that are read while others may write: a change ends what is read.

A file that is filled in, truncated or replaced while a training runs would go on as other data:
values that become NaN as land. Each time a step has been read, the files that it came from are
looked up: as long as size, time and inode are those that were verified, they are the same. Where
they differ, as in a file that was only touched, the content is compared with the frozen one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.data.fields import WHOLE, Field, FieldWithin, FloatField, OtherShapeError, Window
from srwizard.data.file_digests import FileStamp, stamps_of
from srwizard.data.fingerprint import stored_in
from srwizard.data.layout import Contents, FieldKey

Seen = Mapping[str, list[FileStamp]]
"""By file of the dataset: stamps of all files that its values come from."""
Compare = Callable[[str, list[Path]], bool]
"""Whether a part (`train/hr/temp`), of these files, holds what it was frozen with."""


@dataclass
class Watch:
    """The files of one part of a dataset, as they were seen last.

    Args:
        part: its name.
        seen: what was seen of its files; changed in place.
        is_as_frozen: compares the content.
    """

    part: str
    seen: dict[str, list[FileStamp]]
    is_as_frozen: Compare

    def is_unchanged(self, file: Path) -> bool:
        """Return whether a file holds what it did; its content is read only where it may not.

        Raises:
            OSError: it is gone.
        """
        before = self.seen[str(file)]
        if all(stamp == FileStamp.of(stamp.path) for stamp in before):
            return True
        present = {name: stamps_of(Path(name)) for name in self.seen}
        if not self.is_as_frozen(self.part, [Path(name) for name in self.seen]):
            return False
        self.seen.update(present)
        return True


@dataclass(frozen=True)
class Watched(FieldWithin):
    """A field whose files are looked up each time that a step was read."""

    watch: Watch = field(compare=False)

    def read(self, index: int, window: Window = WHOLE) -> FloatField:
        """Return step `index`, see `Field.read`.

        Raises:
            DatasetError: it cannot be read any more, or its file has changed; names file and step.
            OtherShapeError: it has another shape now.
        """
        path, step = self.path(index), self.steps[index]
        try:
            values = self.inner.read(index, window)  # first: what is looked up after it was there
            unchanged = self.watch.is_unchanged(path)
        except OtherShapeError:
            raise
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise DatasetError(
                _("step {step} cannot be read from {path}: {reason}",
                  path=path, step=step, reason=reason_of(error))
            ) from error  # fmt: skip
        if not unchanged:
            raise DatasetError(
                _("{path} has changed while it was in use: step {step} can no longer be relied on",
                  path=path, step=step)
            )  # fmt: skip
        return values


def watched(contents: Contents, seen: Seen, is_as_frozen: Compare) -> Contents:
    """Return contents whose fields are watched.

    Args:
        contents: of a dataset that was verified.
        seen: of each of its files, taken when it was.
        is_as_frozen: compares the content of a part.
    """
    watches: dict[str, Watch] = {}
    fields: dict[FieldKey, Field] = {}
    for key, found in contents.fields.items():
        names = dict.fromkeys(str(found.path(index)) for index in range(len(found.steps)))
        if not names.keys() <= seen.keys():
            fields[key] = found  # a variable that is not trained on
            continue
        part = stored_in(contents.layout, key)
        if part not in watches:
            watches[part] = Watch(part, {name: list(seen[name]) for name in names}, is_as_frozen)
        fields[key] = Watched(found, watches[part])
    return replace(contents, fields=fields)
