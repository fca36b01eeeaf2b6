"""The registry of normalizations; without NumPy, for the wizard."""

from dataclasses import dataclass

from srwizard.base.choices import Method
from srwizard.base.i18n import N_


@dataclass(frozen=True, kw_only=True)
class Normalization(Method):
    """One normalization; its function turns `Moments` into mean and spread.

    Attributes:
        per_point: whether these are `[H, W]`, of each grid point, or `[1, 1]`.
    """

    per_point: bool


NORMALIZATIONS = (
    Normalization(
        "PGN",
        N_("mean and standard deviation of each grid point"),
        code="srwizard.data.normalization:of_each_point",
        per_point=True,
    ),
    Normalization(
        "GN",
        N_("mean and standard deviation of each variable"),
        code="srwizard.data.normalization:of_the_variable",
        per_point=False,
    ),
)
