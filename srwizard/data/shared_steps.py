"""Steps that stand in two splits: scores on fields that were trained on say nothing."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from srwizard.base.i18n import translate as _
from srwizard.data.fields import Field
from srwizard.data.layout import Contents, Problem
from srwizard.data.sampling import spread
from srwizard.data.split_names import SPLITS

COMPARED_STEPS = 3
"""So many of the steps with one name are compared; a copy is a copy throughout."""


def shared_step_problems(contents: Contents, name: str) -> Iterator[Problem]:
    """Yield a problem for each two splits whose steps of one name hold the same HR.

    Args:
        contents: of the dataset.
        name: a variable.
    """
    for first, second in combinations(SPLITS, 2):
        one, other = (contents.fields.get((split, "hr", name)) for split in (first, second))
        if one is None or other is None or one.shape != other.shape:
            continue
        common = sorted({*one.steps} & {*other.steps})
        chosen = [common[place] for place in spread(len(common), COMPARED_STEPS)]
        if chosen and all(_are_the_same(one, other, step) for step in chosen):
            yield Problem(
                other.path(other.steps.index(chosen[0])),
                _(
                    "the steps that {first} and {second} both have are the same fields, such as "
                    "{step}: scores on fields of the training say nothing",
                    first=first,
                    second=second,
                    step=chosen[0],
                ),
                fatal=False,
            )


def _are_the_same(one: Field, other: Field, step: str) -> bool:
    """Return whether two fields are equal, and not in that nothing differs in them."""
    try:
        mine, theirs = (field.read(field.steps.index(step)) for field in (one, other))
    except (OSError, ValueError):
        return False  # noted by the value scan
    values = mine[np.isfinite(mine)]
    varies = values.size > 0 and values.min() < values.max()
    return bool(varies and np.array_equal(mine, theirs, equal_nan=True))
