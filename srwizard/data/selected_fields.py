"""Whether what a user chooses of a dataset goes together: variables, static fields and guides."""

from collections.abc import Sequence

from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.data.inspect import DatasetSummary


def selection_problem(summary: DatasetSummary, names: Sequence[str]) -> str | None:
    """Say why the variables `names` cannot be trained together, or None where they can."""
    known = [variable.name for variable in summary.variables]
    unknown = [name for name in names if name not in known]
    if unknown:
        return _(
            "the dataset has no variable {name}; it has {known}",
            name=listed(unknown),
            known=listed(known),
        )
    if not names:
        return _("choose at least one variable")
    shapes = {(summary.variable(name).hr_shape, summary.variable(name).lr_shape) for name in names}
    if len(shapes) > 1:
        grids = listed(f"{name} {list(summary.variable(name).hr_shape)}" for name in names)
        return _(
            "these variables are on different grids: {grids}. Bring them to one grid (cdo "
            "remapbil), or train one run for each",
            grids=grids,
        )
    if len({summary.variable(name).calendar for name in names}) > 1:
        return _("these variables have different steps: {names}", names=listed(names))
    return None


def static_inputs_problem(summary: DatasetSummary, names: Sequence[str]) -> str | None:
    """Say why the static fields `names` cannot be input channels, or None where they can."""
    unknown = [name for name in names if name not in summary.static_inputs]
    if unknown:
        return _(
            "the dataset has no LR static field {name} on its grid; it has {known}",
            name=listed(unknown),
            known=listed(summary.static_inputs) or _("none"),
        )
    if len(set(names)) < len(names):
        return _("a static field is named twice")
    return None


def possible_guides(summary: DatasetSummary, variables: Sequence[str]) -> tuple[str, ...]:
    """Return the HR static fields, and the variables beside those trained on, that can be guides.

    Args:
        summary: the dataset.
        variables: those trained on.
    """
    first = summary.variable(variables[0])
    others = (
        one.name
        for one in summary.variables
        if one.name not in (*variables, *summary.guides)
        and (one.hr_shape, one.calendar) == (first.hr_shape, first.calendar)
    )
    return (*summary.guides, *others)


def guides_problem(
    summary: DatasetSummary, names: Sequence[str], variables: Sequence[str]
) -> str | None:
    """Say why the HR fields `names` cannot be guides to `variables`, or None where they can."""
    known = possible_guides(summary, variables)
    unknown = [name for name in names if name not in known]
    if unknown:
        return _(
            "{name} cannot be a guide: guides are HR static fields on the grid of the dataset, or "
            "variables with the same steps that are not trained on; here {known}",
            name=listed(unknown),
            known=listed(known) or _("none"),
        )
    if len(set(names)) < len(names):
        return _("a guide is named twice")
    return None
