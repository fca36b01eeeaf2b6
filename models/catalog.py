"""The models there are: the built-in cards and those that installed packages add. Needs no torch.

A package adds a model with an entry point in the group `srwizard.models` that gives a `ModelCard`.
"""

import warnings
from functools import cache
from importlib.metadata import entry_points

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.models.card import (
    Check,
    Family,
    Kind,
    ModelCard,
    Parameter,
    nearest,
    no_constraints,
    problems,
    resolve_parameters,
    saved_parameters,
    size_parameters,
)
from srwizard.models.cards import BUILT_IN

__all__ = [
    "Check",
    "Family",
    "Kind",
    "ModelCard",
    "Parameter",
    "card",
    "cards",
    "no_constraints",
    "problems",
    "resolve_parameters",
    "saved_parameters",
    "size_parameters",
]

FAMILIES: tuple[Family, ...] = ("standard", "diffusion")
ENTRY_POINT_GROUP = "srwizard.models"


@cache
def cards() -> dict[str, ModelCard]:
    """Return the cards by name: standard models, then diffusion models.

    In each family the built-in ones come first, in the order of the menu, then third parties'.

    A third party's card that cannot be loaded, or that takes a name already there, is left out
    with a warning: one broken package must not keep the others from working.
    """
    known = {builtin.name: builtin for builtin in BUILT_IN}
    for entry_point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda e: e.name):
        try:
            found = entry_point.load()
        except Exception as error:  # whatever the third party's code raises
            _warn_left_out(entry_point.name, f"{type(error).__name__}: {error}")
            continue
        if not isinstance(found, ModelCard):
            _warn_left_out(entry_point.name, _("it does not provide a ModelCard"))
        elif found.name in known:
            _warn_left_out(entry_point.name, _("the name {name} is taken", name=found.name))
        else:
            known[found.name] = found
    in_order = sorted(known.values(), key=lambda item: FAMILIES.index(item.family))
    return {item.name: item for item in in_order}


def card(name: str) -> ModelCard:
    """Return the card of the model `name`.

    Raises:
        UsageError: there is no such model; the message names the nearest one.
    """
    known = cards()
    if name not in known:
        raise UsageError(
            _(
                "There is no model {name}; the nearest is {nearest}.",
                name=name,
                nearest=nearest(name, known),
            ),
            hint=_("The models: {names}.", names=", ".join(known)),
        )
    return known[name]


def _warn_left_out(name: str, reason: str) -> None:
    warnings.warn(
        _("The model package {name} is left out: {reason}.", name=name, reason=reason),
        stacklevel=3,
    )
