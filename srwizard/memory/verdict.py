"""Whether a peak fits into the memory there is."""

from typing import Literal

Verdict = Literal["fits", "tight", "does not fit"]
FITS_UP_TO = 0.85
TIGHT_UP_TO = 0.95


def judge(peak_bytes: int, capacity_bytes: int) -> Verdict:
    """Return "fits" up to 85 % of the capacity, "tight" up to 95 %, else "does not fit"."""
    if capacity_bytes <= 0:
        return "does not fit"
    share = peak_bytes / capacity_bytes
    if share <= FITS_UP_TO:
        return "fits"
    return "tight" if share <= TIGHT_UP_TO else "does not fit"
