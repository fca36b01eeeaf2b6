"""Parameters of the networks with multigrid V-cycles."""

from collections.abc import Sequence

from srwizard.base.i18n import translate_count as _n
from srwizard.models.card import Parameter


def multiwavelets(k: int, c: int) -> tuple[Parameter, ...]:
    """Return the parameters of the coefficients at each point."""
    return (
        Parameter(
            "k",
            k,
            "int",
            "Legendre polynomials in each direction",
            "每个方向的勒让德多项式个数",
            minimum=1,
            maximum=8,
        ),
        Parameter(
            "c",
            c,
            "int",
            "Channels, of k * k coefficients each",
            "通道数，每个含 k * k 个系数",
            minimum=1,
        ),
    )


GRID_LEVELS = Parameter(
    "grid_levels",
    (1, 1, 1),
    "ints",
    "Smoothing steps on each coarser grid of a V-cycle; each is half as fine as the one before",
    "V 循环中各粗网格上的光滑步数；每一级网格的分辨率是上一级的一半",
    minimum=1,
)


def grid_problems(levels: Sequence[int], shape: Sequence[int] | None) -> list[str]:
    """Return a message if there are more coarser grids than `shape`, (height, width), has."""
    if shape is None:
        return []
    height, width = shape
    most = min(shape).bit_length() - 1
    if len(levels) <= most:
        return []
    return [
        _n(
            "grid_levels has {levels} coarser grids, but one of {height} x {width} can be halved "
            "only once.",
            "grid_levels has {levels} coarser grids, but one of {height} x {width} can be halved "
            "only {most} times.",
            most,
            levels=len(levels),
            height=height,
            width=width,
            most=most,
        )
    ]
