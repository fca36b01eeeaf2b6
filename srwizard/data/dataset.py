"""A dataset directory, looked at once: whoever has to do with it is handed this."""

from collections.abc import Hashable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.data.fingerprint import fingerprint
from srwizard.data.inspect import DatasetSummary, inspect
from srwizard.data.layout import Contents, scan
from srwizard.data.statics import used_files

# What reads values takes NumPy and SciPy: imported once they are wanted.
if TYPE_CHECKING:
    from srwizard.data.baselines.choice import Choice
    from srwizard.data.baselines.settle import Settled


MOST_SETTLED = 16
_settled: "dict[tuple[Hashable, Choice | None], Settled]" = {}
"""What was compared already, by what it depends on: a dataset that is looked at again is mostly the
same."""


class Dataset:
    """A dataset directory as it was found when something of it was first wanted.

    It is scanned, inspected and read for its fingerprint once, however often it is asked. To see
    what has become of the directory since, make another one.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._digests: dict[str, str] = {}

    @cached_property
    def contents(self) -> Contents:
        """What the directory holds; problems are listed there, not raised."""
        return scan(self.root)

    @cached_property
    def summary(self) -> DatasetSummary:
        """What the user is shown of it."""
        return inspect(self.contents)

    def settled(
        self, variable: str, scale: int, normalization: str, wanted: "Choice | None"
    ) -> "Settled":
        """Return the simple methods of a variable, compared: see `baselines.settle`.

        Raises:
            OSError, ValueError: a file cannot be read.
        """
        from srwizard.data.baselines.settle import settle

        digests = self.fingerprint([variable], [], area_weights=False)
        data = (str(self.root), variable, *sorted(digests.items()), scale, normalization)
        if (data, wanted) not in _settled:
            found = settle(
                self.contents, variable, scale, normalization=normalization, wanted=wanted
            )
            if len(_settled) > MOST_SETTLED:
                _settled.clear()
            _settled[data, wanted] = _settled[data, found.learnt.choice] = found
        return _settled[data, wanted]

    def fingerprint(
        self, variables: Sequence[str], static_variables: Sequence[str], *, area_weights: bool
    ) -> dict[str, str]:
        """Return the fingerprint of what a run reads of it.

        Args:
            variables: those that are trained on.
            static_variables: LR static fields that are input channels.
            area_weights: whether the loss is weighted by area, which takes the latitude.

        Raises:
            DatasetError: a part is not there, or cannot be read.
        """
        statics = used_files(self.contents, static_variables, area_weights=area_weights)
        return fingerprint(self.contents, variables, statics, self._digests)


def unreadable(error: OSError | ValueError, root: Path) -> DatasetError:
    """Return the error of a dataset of which a field cannot be read."""
    if isinstance(error, OSError):
        path, reason = error.filename or root, reason_of(error)
    else:
        path, reason = root, str(error)
    return DatasetError(_("{path} cannot be read: {reason}", path=path, reason=reason))
