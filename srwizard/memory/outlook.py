"""What each remedy would bring: its predicted peak, against the capacity."""

from collections.abc import Sequence
from dataclasses import dataclass

from srwizard.memory.forecast import Forecast
from srwizard.memory.remedies import Remedy
from srwizard.memory.verdict import FITS_UP_TO

NO_GAIN = 0.98


@dataclass(frozen=True)
class Outlook:
    """A remedy with its predicted peak.

    Args:
        remedy: what would be changed.
        peak_bytes: predicted, None where it cannot be.
        share: of the capacity, None where there is no peak.
        gains: whether the peak falls at all; True where nothing is known.
    """

    remedy: Remedy
    peak_bytes: int | None = None
    share: float | None = None
    gains: bool = True

    @property
    def fits(self) -> bool:
        """Whether the run is predicted to fit."""
        return self.share is not None and self.share <= FITS_UP_TO


def outlooks(
    offered: Sequence[Remedy],
    predicted: Sequence[Forecast | None],
    present: Forecast | None,
    measured_bytes: int | None,
    capacity_bytes: int,
) -> list[Outlook]:
    """Combine remedies with their forecasts.

    Where the present config was measured, predictions are scaled by measured over predicted:
    what the prediction misses, it misses in all of them.

    Args:
        offered: the remedies.
        predicted: the forecast of each.
        present: the forecast of the config as it is.
        measured_bytes: the peak that its dry run measured, if it did.
        capacity_bytes: the memory there is.
    """
    scale = measured_bytes / present.peak_bytes if measured_bytes and present else 1.0
    found = []
    for remedy, forecast in zip(offered, predicted, strict=True):
        if forecast is None:
            found.append(Outlook(remedy))
            continue
        peak = round(forecast.peak_bytes * scale)
        gains = present is None or forecast.peak_bytes < NO_GAIN * present.peak_bytes
        found.append(Outlook(remedy, peak, peak / max(capacity_bytes, 1), gains))
    return found


def recommended(found: Sequence[Outlook]) -> Outlook | None:
    """Return the first that is predicted to fit, the least intrusive being first."""
    return next((item for item in found if item.fits), None)
