"""How LR can be made: what there is to choose, without the code."""

from srwizard.base.choices import Method, Value
from srwizard.base.i18n import N_

_CODE = "srwizard.data.prepare.coarsening:"
MEAN = "mean"
METHODS = (
    Method(MEAN, N_("mean over the HR cells of each LR cell; conserves it exactly"),
           code="srwizard.data.coordinates:block_mean"),
    Method("nearest", N_("the HR cell nearest to the centre of the LR cell"),
           code=_CODE + "nearest"),
    Method("bilinear", N_("triangle kernel, one LR cell to each side"), code=_CODE + "bilinear"),
    Method("bicubic", N_("cubic kernel (Keys, a = -0.5), two LR cells to each side"),
           code=_CODE + "bicubic"),
    Method("lanczos", N_("Lanczos kernel, three LR cells to each side"), code=_CODE + "lanczos"),
    Method("gaussian", N_("Gaussian kernel, standard deviation of half an LR cell"),
           code=_CODE + "gaussian"),
)  # fmt: skip
"""How LR is made of HR; the first is the default."""

REGRIDDING = (
    Value("conservative", N_("mean weighted by the area of overlap")),
    Value("bilinear", N_("linear in latitude and longitude")),
    Value("nearest", N_("the nearest cell")),
)
"""How LR of its own comes onto the grid of HR / scale; the first is the default."""
