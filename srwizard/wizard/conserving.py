"""Whether conserving block means is right for a dataset: measured on it before a run is frozen."""

from collections.abc import Sequence

from srwizard.base.i18n import translate as _
from srwizard.data.dataset import Dataset, unreadable
from srwizard.settings.run_config import RunConfig

SMALL = 0.01
"""LR may be so far from block means of HR, as a share of how much HR varies in a block: rounding
and packing are."""


def is_block_means(dataset: Dataset, names: Sequence[str], scale: int) -> bool:
    """Return whether LR is the block means of HR, for each of some variables.

    Raises:
        DatasetError: a field cannot be read.
    """
    from srwizard.data.block_means import departure
    from srwizard.data.weighting import weighting_of

    weighting = weighting_of(dataset.contents)
    try:
        found = departure(dataset.contents, names, scale, weighting)
    except (OSError, ValueError) as error:
        raise unreadable(error, dataset.root) from None
    return all(off <= SMALL * within for off, within in found.values())


def doubts_on_conserving(config: RunConfig, dataset: Dataset) -> list[str]:
    """Return a warning for each variable whose LR is not the block means of HR.

    Args:
        config: the run config; nothing is measured where it does not conserve.
        dataset: that of the run.

    Raises:
        DatasetError: a field cannot be read.
    """
    if not config.conserves:
        return []
    from srwizard.data.block_means import departure

    try:
        found = departure(
            dataset.contents, config.data.variables, config.data.scale, config.data.block_means
        )
    except (OSError, ValueError) as error:
        raise unreadable(error, dataset.root) from None
    return [
        _("Warning: model.conserve makes block means of {name} equal to LR, but those of HR in "
          "this dataset differ from it by {departure:.3g} (RMS; HR varies by {within:.3g} within a "
          "block): LR was not made from HR by block means of this scale. Predictions will have "
          "that error.",
          name=name, departure=off, within=within)
        for name, (off, within) in found.items()
        if off > SMALL * within
    ]  # fmt: skip
