"""What the variables of a dataset are called."""

import re
from collections.abc import Mapping, Sequence

from srwizard.base.errors import UsageError
from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.data.prepare.write import RESERVED_NAMES


def usual_names(variables: Sequence[str]) -> list[str]:
    """Return the names in the dataset of variables of the sources: the same, as far as possible.

    Of the path of a group the last part is taken, or all of it where two variables end alike. What
    cannot be part of a file's name becomes `_`.
    """
    last = [variable.rpartition("/")[2] for variable in variables]
    names = last if len({*last}) == len(last) else [name.strip("/") for name in variables]
    return [re.sub(r"^(?=[.-])|[^\w.-]+", "_", name) for name in names]


def named(variables: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Return variable in the sources -> its name in the dataset.

    Args:
        variables: in the sources.
        names: as many.

    Raises:
        UsageError: a variable is there twice.
    """
    twice = next((each for each in variables if variables.count(each) > 1), None)
    if twice is not None:
        raise UsageError(
            _("The variable {name} is given twice.", name=twice), _("Give each variable once.")
        )
    return dict(zip(variables, names, strict=True))


def check_names(variables: Mapping[str, str]) -> None:
    """Refuse names that cannot be directories and HDF5 datasets beside each other.

    Args:
        variables: in the sources -> its name in the dataset.

    Raises:
        UsageError: a name has other characters, is taken by a coordinate, or occurs twice.
    """
    names = list(variables.values())
    for name in names:
        if not re.fullmatch(r"\w[\w.-]*", name) or name in RESERVED_NAMES:
            raise UsageError(
                _("{name} cannot be the name of a variable in the dataset.", name=repr(name)),
                _("Use letters, digits, _, . and -, and none of: {reserved}.",
                  reserved=listed(sorted(RESERVED_NAMES))),
            )  # fmt: skip
        if names.count(name) > 1:
            raise UsageError(
                _("Two variables have the name {name}.", name=name),
                _("Give each variable a name of its own."),
            )
