"""A dataset directory, looked at once: whoever has to do with it is handed this."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.data.baselines.known import (
    Identity,
    is_any_known,
    note,
    note_outliers,
    outliers_of,
    settled_of,
)
from srwizard.data.file_digests import FileStamp
from srwizard.data.fingerprint import (
    content_digests,
    fingerprint,
    parts_changed,
    stamps,
)
from srwizard.data.guides import parted
from srwizard.data.inspect import DatasetSummary, inspect
from srwizard.data.layout import Contents, scan
from srwizard.data.statics import used_files

# What reads values takes NumPy and SciPy: imported once they are wanted.
if TYPE_CHECKING:
    from srwizard.data.baselines.choice import Choice
    from srwizard.data.baselines.fit import Progress
    from srwizard.data.baselines.settle import Settled
    from srwizard.data.outliers import Outliers, Points, Rule


class Dataset:
    """A dataset directory as it was found when something of it was first wanted.

    It is scanned, inspected and read for its fingerprint once, however often it is asked. To see
    what has become of the directory since, make another one.

    Args:
        root: the directory.
        outliers: what to do about values that cannot be, see `srwizard.data.outliers`.
    """

    def __init__(
        self, root: Path, outliers: "Rule" = "refuse", *, periodic: bool | None = None
    ) -> None:
        self.root = root
        self.outliers = outliers
        self.periodic = periodic
        self._digests: dict[str, str] = {}
        self._stamps: dict[str, str] = {}
        self._changed: dict[str, list[str]] = {}
        self.seen: dict[str, list[FileStamp]] = {}
        """What was seen of the files that were looked up so far; see `srwizard.data.watched`."""

    @cached_property
    def contents(self) -> Contents:
        """What the directory holds; problems are listed there, not raised."""
        return self._scanned(lambda _done, _total: None)

    def scan(self, progress: "Progress") -> None:
        """Look at the directory, if nothing of it was wanted yet, and tell how far that is."""
        if "contents" not in vars(self):
            self.contents = self._scanned(progress)

    def _scanned(self, progress: "Progress") -> Contents:
        found = replace(scan(self.root, progress), periodic=self.periodic)
        if self.outliers == "refuse":
            return found
        from srwizard.data.outliers import masked

        return masked(found, {})

    @cached_property
    def summary(self) -> DatasetSummary:
        """What the user is shown of it."""
        return inspect(self.contents)

    def mask(self, points: "Points") -> None:
        """Leave out these values too, from now on, if outliers are masked."""
        from srwizard.data.outliers import masked

        if self.outliers == "mask":
            self.contents = masked(self.contents, points)

    def looked_at(
        self,
        variable: str,
        scale: int,
        progress: "Progress" = lambda _done, _total: None,
    ) -> "Outliers":
        """Look at every value of a variable, once; outliers are masked from then on, if wanted.

        Raises:
            DatasetError: there are values that cannot be; names file, step and point.
            OSError, ValueError: a file cannot be read.
        """
        from srwizard.data.outliers import look

        identity = self.identity(variable, scale)
        found = outliers_of(identity)
        if found is None:
            found = look(self.contents, variable, progress)
            note_outliers(identity, found)
        if self.outliers == "refuse":
            found.refuse(self.root)
        found.refuse_too_many(self.root)
        self.mask(found.points)
        return found

    def settled(
        self,
        variable: str,
        scale: int,
        normalization: str,
        wanted: "Choice | None",
        progress: "Progress" = lambda _done, _total: None,
    ) -> "Settled":
        """Return the simple methods of a variable, compared: see `baselines.settle`.

        Of what was settled before, for the same data, nothing is worked out again.

        Every value is looked at before.

        Raises:
            DatasetError: the variable is not there any more, or holds values that cannot be.
            OSError, ValueError: a file cannot be read.
        """
        from srwizard.data.baselines.settle import settle, steps_read
        from srwizard.data.outliers import steps_of

        identity = self.identity(variable, scale)
        looking = steps_of(self.contents, variable) if outliers_of(identity) is None else 0
        total = looking + steps_read(self.contents, variable)
        self.looked_at(variable, scale, lambda done, _all: progress(done, total))
        known = settled_of(identity)
        if (normalization, wanted) not in known:
            found = settle(
                self.contents,
                variable,
                scale,
                normalization=normalization,
                wanted=wanted,
                compared=next((one.compared for one in known.values()), None),
                progress=lambda done, all_: progress(looking + done, looking + all_),
            )
            note(identity, normalization, wanted, found)
        return settled_of(identity)[normalization, wanted]

    def settled_before(self, variable: str, scale: int) -> "Settled | None":
        """Return the simple methods of a variable as they were compared already, for any settings.

        Raises:
            DatasetError: the variable is not there any more, or cannot be read.
        """
        if not is_any_known(str(self.root), variable):
            return None
        return next(iter(settled_of(self.identity(variable, scale)).values()), None)

    def identity(self, variable: str, scale: int) -> Identity:
        """Return what the simple methods of a variable depend on.

        Raises:
            DatasetError: a part is not there, or cannot be read.
        """
        digests = stamps(self.contents, [variable], (), self._stamps, self.seen)
        return Identity(
            str(self.root),
            variable,
            scale,
            self.periodic,
            tuple(sorted(digests.items())),
            self.outliers,
        )

    def _read(
        self,
        variables: Sequence[str],
        static_variables: Sequence[str],
        guides: Sequence[str],
        *,
        area_weights: bool,
    ) -> tuple[list[str], list[Path]]:
        """Return the variables and the static files that a run reads; see `fingerprint`."""
        fixed, varying = parted(self.contents, guides)
        statics = used_files(self.contents, static_variables, fixed, area_weights=area_weights)
        return [*variables, *varying], statics

    def fingerprint(
        self,
        variables: Sequence[str],
        static_variables: Sequence[str],
        guides: Sequence[str] = (),
        *,
        area_weights: bool,
    ) -> dict[str, str]:
        """Return the fingerprint of what a run reads of it.

        Args:
            variables: those that are trained on.
            static_variables: LR static fields that are input channels.
            guides: HR static fields, or further variables, that are guides.
            area_weights: whether the loss is weighted by area, which takes the latitude.

        Raises:
            DatasetError: a part is not there, or cannot be read.
        """
        variables, statics = self._read(
            variables, static_variables, guides, area_weights=area_weights
        )
        return fingerprint(self.contents, variables, statics, self._digests)

    def content(
        self,
        variables: Sequence[str],
        static_variables: Sequence[str],
        guides: Sequence[str] = (),
        *,
        area_weights: bool,
        progress: "Progress" = lambda _done, _total: None,
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return digests of all that a run reads of it, and the stamps of its files.

        Args:
            variables, static_variables, guides, area_weights: as for `fingerprint`.
            progress: told how many files of how many are read.

        Raises:
            DatasetError: a part is not there, or cannot be read.
        """
        variables, statics = self._read(
            variables, static_variables, guides, area_weights=area_weights
        )
        stamped = stamps(self.contents, variables, statics, self._stamps, self.seen)
        return content_digests(self.contents, variables, statics, stamped, progress), stamped

    def changed(
        self,
        frozen: Mapping[str, str],
        stamped: Mapping[str, str],
        variables: Sequence[str],
        static_variables: Sequence[str],
        guides: Sequence[str] = (),
        *,
        area_weights: bool,
        progress: "Progress" = lambda _done, _total: None,
    ) -> list[str]:
        """Return the parts that are not as they were frozen; see `fingerprint.parts_changed`.

        Raises:
            DatasetError: a part is not there, or cannot be read.
        """
        variables, statics = self._read(
            variables, static_variables, guides, area_weights=area_weights
        )
        asked = repr((sorted(frozen.items()), sorted(stamped.items()), variables, statics))
        if asked not in self._changed:
            stamps(self.contents, variables, statics, self._stamps, self.seen, progress)
            known = self._stamps, self._digests
            self._changed[asked] = parts_changed(
                self.contents, variables, statics, frozen, stamped, *known, progress
            )
        return self._changed[asked]

    def stamps(
        self,
        variables: Sequence[str],
        static_variables: Sequence[str],
        guides: Sequence[str] = (),
        *,
        area_weights: bool,
    ) -> dict[str, str]:
        """Return what a change of any file of a run shows in; arguments as for `fingerprint`.

        Raises:
            DatasetError: a part is not there, or cannot be read.
        """
        variables, statics = self._read(
            variables, static_variables, guides, area_weights=area_weights
        )
        return stamps(self.contents, variables, statics, self._stamps, self.seen)


def unreadable(error: OSError | ValueError, root: Path) -> DatasetError:
    """Return the error of a dataset of which a field cannot be read."""
    if isinstance(error, OSError):
        path, reason = error.filename or root, reason_of(error)
    else:
        path, reason = root, str(error)
    return DatasetError(_("{path} cannot be read: {reason}", path=path, reason=reason))
