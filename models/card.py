"""What a model says of itself, and the checking of parameters against it. Needs no torch."""

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.typed_numbers import read_as

Kind = Literal["int", "float", "str", "ints"]
Family = Literal["standard", "diffusion"]
Default = int | float | str | tuple[int, ...]

Check = Callable[[Mapping[str, Any], int, tuple[int, int] | None], list[str]]
"""`check(params, scale, lr_shape)`: what is wrong with parameters that are each in range.

`lr_shape` is the (height, width) of the low-resolution input, or None while it is not known:
then only what holds for every shape is checked.
"""

FREED_BLOCK = 2**20
"""Bytes from which on freed memory of a CPU process goes back to the system, see `ModelCard`."""

INTEGER_SCALES = (2, 3, 4, 5, 6, 7, 8)
"""What an up-sampler allows that takes any whole ratio."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a network.

    Attributes:
        minimum, maximum: inclusive bounds; for "ints" of each item.
        choices: the values allowed, or None for any within the bounds.
        may_be_empty: for "ints", whether a list without items will do.
        older: its value in what was saved before there was this parameter; None: its default.
    """

    name: str
    default: Default
    kind: Kind
    help_en: str
    help_zh: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Default, ...] | None = None
    may_be_empty: bool = False
    older: Default | None = None

    def bounds(self, at_least: str = ">=", at_most: str = "<=") -> str:
        """Return its bounds with these signs before them, "" where it has none."""
        signs = ((at_least, self.minimum), (at_most, self.maximum))
        return ", ".join(f"{sign} {bound:g}" for sign, bound in signs if bound is not None)


def no_constraints(
    params: Mapping[str, Any], scale: int, lr_shape: tuple[int, int] | None
) -> list[str]:
    """The `check` of a model whose parameters do not depend on each other."""
    return []


@dataclass(frozen=True)
class Recipe:
    """How a network is trained well, as far as that is its own and not the data's.

    Attributes:
        lr: the highest learning rate, for AdamW; `bench/recipes.py` compares it with others.
        warmup: share of the epochs in which it rises from almost zero.
        clip_grad_norm: the gradient's largest norm; None: not shortened.
        why_en, why_zh: where they come from, in a line.
    """

    lr: float = 0.001
    warmup: float = 0.0
    clip_grad_norm: float | None = None
    why_en: str = "best of eight rates on two datasets, or close to it"
    why_zh: str = "在两个数据集、八个学习率的比较中最佳或接近最佳"


@dataclass(frozen=True)
class ModelCard:
    """What the wizard knows of a network without importing it.

    Attributes:
        name: also the name of the class in `module`, whose constructor takes `in_channels`,
            `out_channels`, `scale` and the parameters, all by keyword.
        paper: citation with DOI or arXiv number.
        fft: whether the network transforms the whole field, so that its memory and accuracy
            depend on the size of the grid in ways that a convolution's do not.
        scales: ratios HR/LR that its up-sampler allows.
        sizes: presets "tiny", "base" and "large"; each holds the parameters that make the size,
            the others keep their defaults.
        recipe: how it is trained where the user takes what is recommended.
        local: whether what it makes of a point depends on its surroundings alone, not on the size
            of the field; such a network that was trained on patches is shown larger tiles.
        freed_block: on a CPU, freed blocks of so many bytes and above go back to the system at
            once. Where many smaller ones come and go, larger values save fetching them page by
            page; elsewhere they leave holes.
    """

    name: str
    family: Family
    summary_en: str
    summary_zh: str
    paper: str
    module: str
    parameters: tuple[Parameter, ...]
    fft: bool
    recommended: bool
    scales: tuple[int, ...]
    sizes: Mapping[str, Mapping[str, Any]]
    check: Check = no_constraints
    recipe: Recipe = Recipe()
    local: bool = False
    freed_block: int = FREED_BLOCK


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the item of `known` (not empty) that is spelled most like `word`."""
    by_lower = {name.lower(): name for name in known}
    return by_lower[difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.0)[0]]


def resolve_parameters(card: ModelCard, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return every parameter of `card`: the given ones checked, the others at their defaults.

    Lists come back as new lists, so that the result can be written to YAML and changed.

    Raises:
        UsageError: an unknown name, a value of the wrong type or out of range.
    """
    known = [parameter.name for parameter in card.parameters]
    for name in given:
        if name not in known:
            raise _unknown_parameter(card, str(name), known)
    return {
        parameter.name: _checked(card.name, parameter, given.get(parameter.name, parameter.default))
        for parameter in card.parameters
    }


def saved_parameters(card: ModelCard, saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that a run, a bundle or weights have, also where they do not say."""
    unsaid = {one.name: one.older for one in card.parameters if one.older is not None}
    return {**unsaid, **saved}


def size_parameters(card: ModelCard, size: str) -> dict[str, Any]:
    """Return the parameters that make a size of `card`.

    Raises:
        UsageError: it has no such size.
    """
    if size in card.sizes:
        return dict(card.sizes[size])
    raise UsageError(
        _("{model} has no size {size}.", model=card.name, size=size),
        hint=_("Its sizes: {sizes}.", sizes=", ".join(card.sizes))
        if card.sizes
        else _("Leave model.size out to take the defaults."),
    )


def problems(
    card: ModelCard,
    params: Mapping[str, Any],
    scale: int,
    lr_shape: tuple[int, int] | None,
) -> list[str]:
    """Return what keeps `card` with resolved `params` from working on this data; [] if nothing."""
    found = []
    if scale not in card.scales:
        found.append(
            _(
                "{model} cannot enlarge by {scale}; it allows {scales}.",
                model=card.name,
                scale=scale,
                scales=", ".join(map(str, card.scales)),
            )
        )
    try:
        return found + card.check(params, scale, lr_shape)
    except UsageError:
        raise
    except Exception as error:  # of a package that somebody else has written
        raise UsageError(
            _("the card of {model} cannot be used: {error}",
              model=card.name, error=f"{type(error).__name__}: {error}"),
            _("That is for the author of {module} to mend.", module=card.module),
        ) from error  # fmt: skip


def _unknown_parameter(card: ModelCard, name: str, known: list[str]) -> UsageError:
    if not known:
        return UsageError(_("{model} has no parameters, so no {name}.", model=card.name, name=name))
    return UsageError(
        _(
            "{model} has no parameter {name}; the nearest is {nearest}.",
            model=card.name,
            name=name,
            nearest=nearest(name, known),
        ),
        hint=_("Its parameters: {names}.", names=", ".join(known)),
    )


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _checked(model: str, parameter: Parameter, value: Any) -> Any:
    """Return `value` as the type of `parameter`, or raise UsageError."""
    place = {"model": model, "name": parameter.name, "value": repr(value)}
    try:
        value = read_as(parameter.kind, value)
    except ValueError as error:
        raise UsageError(f"{model}: {parameter.name}: {error}") from None
    result: Any
    match parameter.kind:
        case "int":
            if not _is_int(value):
                raise UsageError(_("{model}: {name} must be a whole number, not {value}.", **place))
            result = value
        case "float":
            if not (_is_int(value) or isinstance(value, float)) or not _is_finite(value):
                raise UsageError(_("{model}: {name} must be a number, not {value}.", **place))
            result = float(value)
        case "str":
            if not isinstance(value, str):
                raise UsageError(_("{model}: {name} must be a text, not {value}.", **place))
            result = value
        case "ints":
            listed = isinstance(value, list | tuple) and all(map(_is_int, value))
            if not listed or not (value or parameter.may_be_empty):
                raise UsageError(
                    _("{model}: {name} must be a list of whole numbers, not {value}.", **place)
                )
            result = list(value)
    if parameter.choices is not None and result not in parameter.choices:
        raise UsageError(
            _("{model}: {name} cannot be {value}.", **place),
            hint=_("It can be: {choices}.", choices=", ".join(map(str, parameter.choices))),
        )
    for number in result if parameter.kind == "ints" else [result]:
        if parameter.minimum is not None and number < parameter.minimum:
            raise UsageError(
                _(
                    "{model}: {name} must be at least {minimum}, not {value}.",
                    minimum=parameter.minimum,
                    **place,
                )
            )
        if parameter.maximum is not None and number > parameter.maximum:
            raise UsageError(
                _(
                    "{model}: {name} must be at most {maximum}, not {value}.",
                    maximum=parameter.maximum,
                    **place,
                )
            )
    return result


def _is_int(value: Any) -> bool:
    # A bool is an int to Python, but "depths: true" is a slip of the pen.
    return isinstance(value, int) and not isinstance(value, bool)
