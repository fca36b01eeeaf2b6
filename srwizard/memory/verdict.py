"""Whether a peak fits into the memory there is."""

from collections.abc import Iterable
from typing import Literal

Verdict = Literal["fits", "tight", "does not fit"]
FITS_UP_TO = 0.85
TIGHT_UP_TO = 0.95


ORDER: tuple[Verdict, ...] = ("fits", "tight", "does not fit")


def judge(peak_bytes: int, capacity_bytes: int, least_bytes: int | None = None) -> Verdict:
    """Return "fits" up to 85 % of the capacity, "tight" up to 95 %, else "does not fit".

    Args:
        peak_bytes: what was taken.
        capacity_bytes: what there is.
        least_bytes: what was needed of it, where that is less: an allocator takes more than it
            hands out, and gives the rest back before it fails. Then only that cannot fit.
    """
    if capacity_bytes <= 0:
        return "does not fit"
    if (peak_bytes if least_bytes is None else least_bytes) > TIGHT_UP_TO * capacity_bytes:
        return "does not fit"
    return "fits" if peak_bytes <= FITS_UP_TO * capacity_bytes else "tight"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the least favourable of several verdicts."""
    return max(verdicts, key=ORDER.index)
