"""Whether what `prepare` is asked for can be done, as far as no source has to be opened for it."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.data.layout import Layout
from srwizard.data.lr_methods import METHODS
from srwizard.data.prepare.lr_product import LrSource
from srwizard.data.prepare.names import check_names
from srwizard.data.prepare.splits import Split, check_split


def check_arguments(
    sources: Sequence[Path],
    variables: Mapping[str, str],
    scale: int,
    split: Split,
    fmt: str,
) -> None:
    if not sources:
        raise UsageError(
            _("No source is given."), _("Name at least one NetCDF file or Zarr store.")
        )
    if not variables:
        raise UsageError(_("No variable is given."), _("Name at least one variable."))
    if fmt not in get_args(Layout):
        raise UsageError(
            _("The format {format} is not known.", format=fmt),
            _("Choose one of: {formats}.", formats=", ".join(get_args(Layout))),
        )
    if scale < 2:
        raise UsageError(
            _("The scale {scale} is less than 2.", scale=scale),
            _("Choose a whole number of 2 or more."),
        )
    check_split(split)
    check_names(variables)


def check_method(lr_method: str, area_weights: bool) -> None:
    names = [method.name for method in METHODS]
    if lr_method not in names:
        raise UsageError(
            _("The method {method} is not known.", method=lr_method),
            _("Choose one of: {methods}.", methods=", ".join(names)),
        )
    if area_weights and lr_method != "mean":
        raise UsageError(
            _("Area weights apply only to the block mean, not to {method}.", method=lr_method),
            _("Leave area weights out, or use the method mean."),
        )


def check_lr_source(
    lr_source: LrSource | None, variables: Mapping[str, str], lr_method: str
) -> None:
    if lr_source is None:
        return
    if lr_method != "mean":
        raise UsageError(
            _("LR comes from a separate product: {method} is not applied.", method=lr_method),
            _("Leave --lr-method or --lr-source out."),
        )
    if lr_source.variables and len(lr_source.variables) != len(variables):
        raise UsageError(
            _("variables of HR: {count}, but of LR: {names}", count=len(variables),
              names=len(lr_source.variables)),
            _("Give one --lr-variable for each --variable, or none."),
        )  # fmt: skip
    tolerance = lr_source.tolerance_hours
    if tolerance is not None and not 0 <= tolerance < math.inf:
        raise UsageError(
            _("The tolerance of {hours:g} h is not a number of 0 or more.", hours=tolerance),
            _("Give hours, e.g. --lr-tolerance 12"),
        )


def check_counts(gap: int, jobs: int) -> None:
    if gap < 0:
        raise UsageError(_("The gap of {gap} steps is negative.", gap=gap), _("Give 0 or more."))
    if jobs < 1:
        raise UsageError(
            _("{jobs} processes are too few.", jobs=jobs), _("Give 1 or more, e.g. --jobs 4.")
        )
