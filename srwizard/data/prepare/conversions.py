"""How the values of each variable are converted, as far as the user asks for other units."""

from collections.abc import Mapping

from srwizard.base.errors import UsageError
from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.data.prepare.lr_product import Matched
from srwizard.data.prepare.record import Survey
from srwizard.data.prepare.units import Conversion, conversion, same_units


def conversions_asked(
    survey: Survey, names: Mapping[str, str], units: Mapping[str, str]
) -> dict[str, Conversion]:
    """Return how the values of some variables in the dataset are converted."""
    # Levels of one variable are converted alike, by the name without the level too.
    found: dict[str, Conversion] = {}
    used: set[str] = set()
    for key, name in names.items():
        record = survey.records[key]
        for asked in (name, name.removesuffix(record.suffix)):
            if asked in units:
                found[name] = conversion(name, record.attributes.get("units"), units[asked])
                used.add(asked)
                break
    unknown = sorted(units.keys() - used)
    if unknown:
        raise UsageError(
            _("--units names {name}, which is not a variable of the dataset.", name=unknown[0]),
            _("Available: {names}.", names=listed(names.values())),
        )
    return found


def lr_conversion(
    matched: Matched | None, key: str, name: str, target: str | None
) -> Conversion | None:
    """Return how LR of its own comes to the units of HR, as far as both say theirs."""
    if matched is None:
        return None
    source, wanted = (
        (units or "").strip() for units in (matched.lr[key].attributes.get("units"), target)
    )
    if not source or not wanted or same_units(source, wanted):
        return None
    return conversion(name, source, wanted)


def converted(known: Mapping[str, str], by: Conversion | None) -> dict[str, str]:
    """Return the attributes of a variable once its values are converted."""
    return dict(known) if by is None else dict(known) | {"units": by.target}
