"""How much signal and how much noise there is at each step of a diffusion, t = 0 ... T - 1."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _

LARGEST_BETA = 0.999
LEAST_SIGNAL = 0.006


@dataclass(frozen=True)
class Rates:
    """The shares of signal and noise at one time step."""

    signal: float
    noise: float

    @property
    def log_ratio(self) -> float:
        """Half the logarithm of the signal-to-noise ratio."""
        return math.log(self.signal / self.noise)


def linear_schedule(timesteps: int, first: float, last: float) -> list[Rates]:
    """Return the rates for betas that rise linearly (Ho et al. 2020, section 4)."""
    span = max(timesteps - 1, 1)
    betas = [first + (last - first) * t / span for t in range(timesteps)]
    return _variance_preserving(betas)


def cosine_schedule(timesteps: int) -> list[Rates]:
    """Return the rates of Nichol & Dhariwal (2021, arXiv:2102.09672, equation 17).

    They cut off the last beta, as otherwise no signal is left at the end. Here the cosine stops
    short of zero instead, where linear betas end, too: the less signal there is, the more an
    error in the predicted noise counts in the first step of a sampler.
    """
    end = math.acos(LEAST_SIGNAL)

    def alpha_bar(t: int) -> float:
        return math.cos((t / timesteps + 0.008) / 1.008 * end) ** 2

    return _variance_preserving([1 - alpha_bar(t + 1) / alpha_bar(t) for t in range(timesteps)])


def _variance_preserving(betas: Iterable[float]) -> list[Rates]:
    """Return sqrt(alpha-bar) and sqrt(1 - alpha-bar) for the variances of single steps."""
    log_alpha_bar, rates = 0.0, []
    for beta in betas:
        log_alpha_bar += math.log1p(-min(beta, LARGEST_BETA))
        rates.append(Rates(math.exp(log_alpha_bar / 2), math.sqrt(-math.expm1(log_alpha_bar))))
    return rates


def sampling_times(timesteps: int, steps: int) -> list[int]:
    """Return `steps` of the time steps, spread evenly from the last one down to 0.

    Raises:
        UsageError: there are not as many.
    """
    check_steps(timesteps, steps)
    span = max(steps - 1, 1)
    left = reversed(range(steps)) if steps > 1 else [1]
    return [(2 * (timesteps - 1) * place + span) // (2 * span) for place in left]


def even_times(rates: Sequence[Rates], steps: int) -> list[int]:
    """Return `steps` time steps from the last one down to 0, spread evenly in the log of SNR.

    A solver then errs alike on all scales: those that are strong come out of the noise early, weak
    ones late, and each sees steps of the same size (Lu et al. 2022, arXiv:2206.00927, section 4.3).

    Raises:
        UsageError: there are not as many.
    """
    check_steps(len(rates), steps)
    known = [one.log_ratio for one in rates]
    first, last = known[-1], known[0]
    times: list[int] = []
    for place in range(steps):
        wanted = first + (last - first) * place / max(steps - 1, 1)
        nearest = min(range(len(rates)), key=lambda t: abs(known[t] - wanted))
        # Where the steps of time are the larger ones, each is taken once.
        latest = times[-1] - 1 if times else nearest
        times.append(max(min(nearest, latest), steps - 1 - place))
    return times


def check_steps(timesteps: int, steps: int) -> None:
    """Raise if samples cannot be drawn in so many steps.

    Raises:
        UsageError: there are not as many time steps.
    """
    if not 1 <= steps <= timesteps:
        raise UsageError(
            _(
                "Sampling takes 1 to {timesteps} steps (the number the model was trained with), "
                "not {steps}.",
                timesteps=timesteps,
                steps=steps,
            )
        )
