"""Which values of a parameter work with the others, as they are answered one by one. No torch.

Parameters depend on each other: heads must divide a width, modes must find room on the grid. Those
answered before are settled; those still to come can give way. A value is refused where they cannot
give way far enough, and what is proposed for the next parameter works with those before it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from srwizard.models.card import ModelCard, Parameter, problems

FARTHEST = 64
"""Whole numbers are looked for no farther from a value than this, unless none is near."""
MOST_ITEMS = 12
"""Of a list that is looked for."""
LOOKED_AT_AGAIN = 16
"""So many of the nearest values are looked at together with what could give way to them."""


@dataclass(frozen=True)
class Grid:
    """What the parameters must suit: the scale, and the (height, width) of the LR field."""

    scale: int
    lr_shape: tuple[int, int] | None


class _Others:
    """The other parameters, to which that of a question must fit."""

    def __init__(
        self, card: ModelCard, params: Mapping[str, Any], parameter: Parameter, grid: Grid
    ) -> None:
        self._card, self._params, self._grid = card, params, grid
        self._parameter = parameter
        self._later = card.parameters[card.parameters.index(parameter) + 1 :]

    def problems(self, value: Any) -> int:
        """Return how many problems there are with a value, the others as they are."""
        return self._count({**self._params, self._parameter.name: value})

    def left(self, value: Any) -> int:
        """Return how many are left once the later parameters have given way, one by one."""
        return self._count(self._given_way(value)) if self.problems(value) else 0

    def that_gave_way(self, value: Any) -> "_Others":
        """Return the others with the later parameters as they give way to a value."""
        return _Others(self._card, self._given_way(value), self._parameter, self._grid)

    def _given_way(self, value: Any) -> dict[str, Any]:
        given = {**self._params, self._parameter.name: value}
        for parameter in self._later:
            others = _Others(self._card, given, parameter, self._grid)
            given[parameter.name] = _mended(parameter, given[parameter.name], others)
        return given

    def _count(self, params: Mapping[str, Any]) -> int:
        return len(problems(self._card, params, self._grid.scale, self._grid.lr_shape))


def works_instead(
    card: ModelCard, params: Mapping[str, Any], parameter: Parameter, grid: Grid, answer: Any
) -> list[Any] | None:
    """Return the nearest values that work where an answer cannot; None where it can.

    Args:
        card: of the model.
        params: all of them, resolved: that of the question as it is proposed, those after it as
            by default or as they were.
        parameter: the one that is answered.
        grid: what they must suit.
        answer: to it, within its limits.

    Returns:
        for a number the next smaller and the next larger one, as far as they exist; else the
        nearest one. An answer with which there are no more problems than with what was proposed
        is not at fault: None.
    """
    others = _Others(card, params, parameter, grid)
    if others.left(answer) <= others.left(params[parameter.name]):
        return None
    return _working(parameter, answer, others) or [params[parameter.name]]


def proposed(card: ModelCard, params: Mapping[str, Any], parameter: Parameter, grid: Grid) -> Any:
    """Return the value next to that of `parameter` which works with those answered before it."""
    others, value = _Others(card, params, parameter, grid), params[parameter.name]
    if not others.left(value):
        return value
    found = _working(parameter, value, others)
    if parameter.kind == "int":
        found.sort(key=lambda one: abs(one - value))
    return found[0] if found else value


def _working(parameter: Parameter, value: Any, others: _Others) -> list[Any]:
    """Return the values nearest to one with which nothing is wrong."""
    if parameter.kind == "ints":
        mended = _mended(parameter, value, others)
        return [] if others.left(mended) else [mended]
    near, settled = list(_near(parameter, value)), others.that_gave_way(value)
    found = [one for one in near if not settled.problems(one)]
    if not found:
        found = [one for one in near[:LOOKED_AT_AGAIN] if not others.left(one)]
    if parameter.kind != "int":
        return found[:1]
    return _on_either_side(value, found) or _largest_that_works(parameter, value, others)


def _mended(parameter: Parameter, value: Any, others: _Others) -> Any:
    """Return the nearest value with which there are the fewest problems."""
    best, fewest = value, others.problems(value)
    while fewest:
        better = next(
            (one for one in _near(parameter, best) if others.problems(one) < fewest), None
        )
        if better is None:
            break
        best, fewest = better, others.problems(better)
    return best


def _on_either_side(value: int, found: Sequence[int]) -> list[int]:
    below = [one for one in found if one < value][:1]
    return [*below, *[one for one in found if one > value][:1]]


def _largest_that_works(parameter: Parameter, value: int, others: _Others) -> list[int]:
    """Return the largest value that works where it is far below; [] if the least does not.

    Where values are too large, all below some limit work.
    """
    low, high = _least(parameter), value
    if low >= high or others.left(low):
        return []
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if others.left(middle) else (middle, high)
    return [low]


def _near(parameter: Parameter, value: Any) -> Iterator[Any]:
    """Yield other values of a parameter, the nearest first."""
    if parameter.choices is not None:
        yield from (choice for choice in parameter.choices if choice != value)
    elif parameter.kind == "int":
        yield from _near_number(parameter, value)
    elif parameter.kind == "ints" and value:
        lengths = sorted(range(1, MOST_ITEMS + 1), key=lambda items: abs(items - len(value)))
        for length in lengths:
            if length != len(value):
                yield [*value[:length], *[value[-1]] * (length - len(value))]
        for other in _near_number(parameter, value[-1]):
            yield [other] * len(value)
        for place, item in enumerate(value):
            for other in _near_number(parameter, item):
                yield [*value[:place], other, *value[place + 1 :]]


def _near_number(parameter: Parameter, value: int) -> Iterator[int]:
    least, most = _least(parameter), parameter.maximum
    for distance in count(1):
        if distance > FARTHEST:
            return
        if value - distance >= least:
            yield value - distance
        if most is None or value + distance <= most:
            yield value + distance


def _least(parameter: Parameter) -> int:
    return 1 if parameter.minimum is None else int(parameter.minimum)
