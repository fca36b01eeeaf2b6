"""What each remedy would bring: its predicted peak, against the capacity, and its time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from srwizard.memory.remedies import smaller_batch
from srwizard.memory.verdict import FITS_UP_TO
from srwizard.settings.answers import Answers
from srwizard.settings.remedy import Remedy, combined, go_together

NO_GAIN = 0.98
KEYS_OF_BATCH = ("batch_size_accumulated", "batch_size")


@dataclass(frozen=True)
class Expected:
    """What is predicted of one config: its peak in bytes, and the cost of an epoch."""

    peak_bytes: int
    epoch_cost: float | None = None


@dataclass(frozen=True)
class RemedyEffect:
    """A remedy with its predicted peak.

    Args:
        remedy: what would be changed.
        peak_bytes: predicted, None where it cannot be.
        share: of the capacity, None where there is no peak.
        gains: whether the peak falls at all; True where nothing is known.
        time_change: of an epoch's training steps, relative: 0.3 is 30 % more; None: unknown.
        run_seconds: of the whole training; only where that is what the remedy is against.
    """

    remedy: Remedy
    peak_bytes: int | None = None
    share: float | None = None
    gains: bool = True
    time_change: float | None = None
    run_seconds: float | None = None

    @property
    def fits(self) -> bool:
        """Whether the run is predicted to fit."""
        return self.share is not None and self.share <= FITS_UP_TO

    def as_json(self) -> dict[str, Any]:
        """Return it as dry_run.json lists it; see docs/memory.md."""
        return {
            "key": self.remedy.key,
            "changes": self.remedy.changes,
            "title": self.remedy.title,
            "effect": self.remedy.cost,
            "predicted_bytes": self.peak_bytes,
            "share": self.share,
            "fits": self.fits,
            "gains": self.gains,
            "time_change": self.time_change,
        }


@dataclass(frozen=True)
class Offer:
    """What can be changed: each remedy by itself, and up to two proposals of what is enough.

    Args:
        singles: the remedies.
        best: the least that is predicted to fit.
        roomy: what leaves more room than that.
    """

    singles: list[RemedyEffect]
    best: RemedyEffect | None = None
    roomy: RemedyEffect | None = None

    @property
    def none_is_enough(self) -> bool:
        """Whether neither a remedy nor what was tried of several is predicted to fit."""
        known = [item for item in self.singles if item.share is not None]
        return self.best is None and bool(known) and not any(item.fits for item in known)


Look = Callable[[Sequence[Remedy]], list[RemedyEffect]]
"""Predicts what each remedy would bring."""


def effects(
    offered: Sequence[Remedy],
    predicted: Sequence[Expected | None],
    present: Expected | None,
    needed_bytes: int | None,
    capacity_bytes: int,
) -> list[RemedyEffect]:
    """Combine remedies with what is predicted of them.

    Where it is known what the present config needs, predictions are scaled by needed over
    predicted: what the prediction misses, it misses in all of them.

    Args:
        offered: the remedies.
        predicted: what is predicted of each.
        present: what is predicted of the config as it is.
        needed_bytes: what the config as it is has been seen to need; see `needed`.
        capacity_bytes: the memory there is.
    """
    scale = needed_bytes / present.peak_bytes if needed_bytes and present else 1.0
    found = []
    for remedy, expected in zip(offered, predicted, strict=True):
        if expected is None:
            found.append(RemedyEffect(remedy))
            continue
        peak = round(expected.peak_bytes * scale)
        gains = present is None or expected.peak_bytes < NO_GAIN * present.peak_bytes
        if not gains and remedy.key == "lighter_model":
            continue  # then it is none
        share = peak / capacity_bytes if capacity_bytes > 0 else None
        found.append(RemedyEffect(remedy, peak, share, gains, _time_change(expected, present)))
    return found


def helpful_first(found: Sequence[RemedyEffect]) -> list[RemedyEffect]:
    """Return the remedies in their order, those that save nothing here behind all others."""
    return sorted(found, key=lambda item: not item.gains)


def _time_change(expected: Expected, present: Expected | None) -> float | None:
    if present is None or not present.epoch_cost or expected.epoch_cost is None:
        return None
    return expected.epoch_cost / present.epoch_cost - 1


def needed(
    measured_bytes: int | None, predicted_bytes: int | None, capacity_bytes: int, *, ran_out: bool
) -> int | None:
    """Return what the config as it is has been seen to need, None where it was not seen.

    Args:
        measured_bytes: by its dry run, if it came to an end.
        predicted_bytes: of the config as it is.
        capacity_bytes: the memory there is.
        ran_out: whether it ran out of memory: then it needs at least all there is, whatever was
            measured or predicted.
    """
    if not ran_out:
        return measured_bytes
    return max(measured_bytes or 0, predicted_bytes or 0, capacity_bytes)


def recommended(found: Sequence[RemedyEffect]) -> RemedyEffect | None:
    """Return the first that is predicted to fit, the least intrusive being first."""
    return next((item for item in found if item.fits), None)


def batch_that_fits(singles: Sequence[RemedyEffect], answers: Answers) -> Remedy | None:
    """Return the largest accumulated batch below those offered that should fit, None if one does.

    Memory is linear in the batch: the two offered ones give the line.
    """
    offered = [item for item in singles if item.remedy.key == KEYS_OF_BATCH[0]]
    if len(offered) < 2 or any(item.fits or item.share is None for item in offered):
        return None
    (high, high_share), (low, low_share) = (
        (int(item.remedy.changes["training.batch_size"]), item.share or 0.0)
        for item in (offered[0], offered[-1])
    )
    slope = (high_share - low_share) / (high - low)
    for size in range(low - 1, 0, -1):
        share = low_share - slope * (low - size)
        if answers.training.batch_size % size == 0 and share <= FITS_UP_TO:
            return smaller_batch(answers, size)
    return smaller_batch(answers, 1) if low > 1 and slope > 0 else None


def smallest_combination(singles: Sequence[RemedyEffect], look: Look) -> RemedyEffect | None:
    """Return the least intrusive combination that is predicted to fit, None where none is.

    Remedies are added in the order of preference until it fits; then those that are not needed
    are left out again, the most intrusive first. What gains nothing alone is not tried.
    """
    helpful = [
        item.remedy
        for item in singles
        if item.gains and item.peak_bytes is not None and item.remedy.key != KEYS_OF_BATCH[1]
    ]
    kept: list[Remedy] = []
    chains = []
    for remedy in helpful:
        # A smaller batch takes the place of a larger one, not its place beside it.
        kept = [part for part in kept if go_together(part, remedy)] + [remedy]
        if len(kept) > 1:
            chains.append(kept)
    found = look([combined(parts) for parts in chains])
    place = next((number for number, item in enumerate(found) if item.fits), None)
    if place is None:
        return None
    parts, best = chains[place], found[place]
    for part in reversed(chains[place][:-1]):
        fewer = [other for other in parts if other is not part]
        without = look([combined(fewer)])[0] if len(fewer) > 1 else None
        if without is not None and without.fits:
            parts, best = fewer, without
    return best


def with_room(
    singles: Sequence[RemedyEffect], best: RemedyEffect | None, look: Look
) -> RemedyEffect | None:
    """Return a combination that leaves more room than the least one that fits, None if none does.

    Every memory option that gains, and the smallest of the accumulated batches.
    """
    gaining = [item for item in singles if item.gains and item.peak_bytes is not None]
    options = [
        item.remedy for item in gaining if item.remedy.key in ("use_amp", "gradient_checkpointing")
    ]
    batches = [item.remedy for item in gaining if item.remedy.key == KEYS_OF_BATCH[0]]
    parts = [*options, *batches[-1:]]
    if best is None or len(parts) < 2:
        return None
    found = look([combined(parts)])[0]
    if found.remedy.changes == best.remedy.changes or not found.fits:
        return None
    return found
