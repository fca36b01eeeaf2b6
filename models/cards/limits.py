"""What several cards check alike: heads, windows and Fourier modes that there is room for."""

from collections.abc import Iterable, Sequence

from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n

MOST_HEADS = 1024
"""More of them are not looked through: no network has so many."""


def divisors(number: int) -> str:
    """Return the whole numbers that divide `number`, listed as far as anybody wants them."""
    parts = range(1, min(number, MOST_HEADS) + 1)
    return ", ".join(str(part) for part in parts if number % part == 0)


def head_problems(name: str, width: int, num_heads: Iterable[int]) -> list[str]:
    """Return a message for each number of heads that does not divide the parameter `name`."""
    return [
        _(
            "{name} is {width}, which {heads} heads do not divide; these do: {allowed}.",
            name=name,
            width=width,
            heads=heads,
            allowed=divisors(width),
        )
        for heads in sorted(set(num_heads))
        if width % heads
    ]


def stage_problems(depths: Sequence[int], num_heads: Sequence[int]) -> list[str]:
    """Return a message if not every group or stage of blocks has its number of heads."""
    if len(depths) == len(num_heads):
        return []
    return [
        _n(
            "depths has {depths} value but num_heads has {heads}; give both the same number.",
            "depths has {depths} values but num_heads has {heads}; give both the same number.",
            len(depths),
            depths=len(depths),
            heads=len(num_heads),
        )
    ]


def fourier_problems(modes: int, scale: int, lr_shape: tuple[int, int] | None) -> list[str]:
    """Return a message if the high-resolution grid has fewer Fourier modes.

    A grid of H x W holds H // 2 modes of either sign in y, and W // 2 + 1 in x.
    """
    if lr_shape is None:
        return []
    height, width = (scale * size for size in lr_shape)
    most = min(height // 2, width // 2 + 1)
    if modes <= most:
        return []
    return [
        _n(
            "modes is {modes}, but a high-resolution grid of {height} x {width} has only {most} "
            "Fourier mode.",
            "modes is {modes}, but a high-resolution grid of {height} x {width} has only {most} "
            "Fourier modes.",
            most,
            modes=modes,
            height=height,
            width=width,
            most=most,
        )
    ]


def window_problems(window: int, lr_shape: tuple[int, int] | None) -> list[str]:
    """Return a message if an attention window is larger than the low-resolution field."""
    if lr_shape is None or window <= min(lr_shape):
        return []
    height, width = lr_shape
    return [
        _(
            "window_size is {window}, but the low-resolution field is {height} x {width}; "
            "it can be 2 to {most}.",
            window=window,
            height=height,
            width=width,
            most=min(lr_shape),
        )
    ]
