"""Intervals of scores."""

import numpy as np
import pytest
from scipy import optimize, stats

from srwizard.runs.intervals import (
    Series,
    autocorrelation_of,
    block_length,
    independent_steps,
    interval_of,
    intervals,
)

RANDOM = np.random.default_rng(7)


def autoregressive(count: int, r: float, seed: int = 0) -> Series:
    random = np.random.default_rng(seed)
    found = np.empty(count)
    found[0] = random.standard_normal()
    for place in range(1, count):
        found[place] = r * found[place - 1] + np.sqrt(1 - r * r) * random.standard_normal()
    return found


def test_independent_errors_give_what_scipy_gives() -> None:
    errors = RANDOM.gamma(4, 1, 120)
    found = intervals({"model": errors, "bicubic": 1.3 * errors}, np.ones(120), "bicubic")
    theirs = stats.bootstrap(
        (errors,), lambda x, axis: np.sqrt(x.mean(axis=axis)), method="percentile",
        n_resamples=5000, random_state=1,
    ).confidence_interval  # fmt: skip
    assert found.block <= 2
    assert found.rmse is not None
    assert found.rmse["model"] == pytest.approx((theirs.low, theirs.high), rel=0.02)


@pytest.mark.broad
@pytest.mark.parametrize("r", [0.0, 0.6, 0.9])
def test_nineteen_in_twenty_intervals_hold_the_truth(r: float) -> None:
    """The mean square of an AR(1) process of variance 1 is 1: the intervals must know how sure."""
    held = 0
    for seed in range(200):
        squared = autoregressive(400, r, seed) ** 2
        found = intervals({"model": squared, "bicubic": squared}, np.ones(400), "bicubic")
        assert found.rmse is not None
        low, high = found.rmse["model"]
        held += low <= 1 <= high
    assert held >= (0.87 if r == 0.9 else 0.92) * 200


def test_blocks_grow_with_the_autocorrelation() -> None:
    series = [autoregressive(500, r) for r in (0.0, 0.5, 0.9, 0.98)]
    lengths = [block_length(500, autocorrelation_of(each)) for each in series]
    assert lengths[0] <= 2
    assert lengths == sorted(lengths)
    assert 10 < lengths[2] < 60


@pytest.mark.parametrize("r", [0.3, 0.7, 0.9])
def test_the_length_solves_the_equation_of_wilks(r: float) -> None:
    """Wilks (1997), eq. 19: l = (n - l + 1) ** (2/3 (1 - n'/n)), n' = n (1 - r) / (1 + r)."""
    exponent = 2 / 3 * (1 - (1 - r) / (1 + r))
    length = optimize.brentq(lambda x: x - (300 - x + 1) ** exponent, 1, 300)
    assert block_length(300, r) == int(np.ceil(length))


@pytest.mark.parametrize("r", [0.3, 0.7, 0.9])
def test_the_autocorrelation_of_short_series_is_not_too_low(r: float) -> None:
    """Uncorrected, that of 30 steps is up to 0.17 too low on average."""
    found = [autocorrelation_of(autoregressive(30, r, seed)) for seed in range(400)]
    assert np.mean(found) == pytest.approx(r, abs=0.06)


@pytest.mark.broad
@pytest.mark.parametrize(("steps", "r"), [(12, 0.9), (30, 0.8), (30, 0.95), (92, 0.95)])
def test_equal_methods_are_seldom_told_apart_by_few_independent_steps(steps: int, r: float) -> None:
    """As those of a season are. Without a limit it would be 9 to 45 %."""
    apart = 0
    for seed in range(0, 400, 2):
        ours, noise = (autoregressive(steps, r, 1000 + seed + place) for place in range(2))
        theirs = np.exp(0.4 * (0.8 * ours + 0.6 * noise))
        found = intervals({"model": np.exp(0.4 * ours), "b": theirs}, np.ones(steps), "b")
        assert found.independent <= steps
        apart += bool(found.distinguishable)
    assert apart <= 0.08 * 200


def test_a_bootstrap_of_blocks_by_hand_gives_the_same() -> None:
    """Blocks drawn one by one, with random numbers of their own."""
    random = np.random.default_rng(11)
    ours = np.exp(autoregressive(160, 0.7, 1) / 2)
    theirs = 1.1 * ours * random.gamma(50, 1 / 50, 160)
    points = random.integers(50, 100, 160).astype(float)
    found = intervals({"model": ours * points, "linear": theirs * points}, points, "linear")
    count, block = 160, found.block
    rows = []
    for _draw in range(3000):
        steps: list[int] = []
        while len(steps) < count:
            first = int(random.integers(count))
            steps += [(first + place) % count for place in range(block)]
        steps = steps[:count]
        pair = [
            np.sqrt((errors * points)[steps].sum() / points[steps].sum())
            for errors in (ours, theirs)
        ]
        rows.append((*pair, pair[0] - pair[1], 1 - pair[0] / pair[1]))
    blocks = found.blocks
    assert blocks <= count / block
    wider = stats.t.ppf(0.975, blocks - 1) / stats.norm.ppf(0.975) * np.sqrt(blocks / (blocks - 1))
    low, middle, high = np.quantile(rows, (0.025, 0.5, 0.975), axis=0)
    expected = np.column_stack([middle + wider * (low - middle), middle + wider * (high - middle)])
    assert block > 3
    assert found.rmse is not None
    told = [found.rmse["model"], found.rmse["linear"], found.difference, found.skill]
    for (a, b), interval in zip(expected, told, strict=True):
        assert interval == pytest.approx((a, b), abs=0.1 * (b - a))


def test_a_difference_is_found_though_both_vary_much() -> None:
    """The methods are compared on the same steps: what is hard for both cancels."""
    hard = RANDOM.gamma(1, 1, 60)
    found = intervals({"model": 0.9 * hard, "linear": hard}, np.ones(60), "linear")
    assert found.rmse is not None
    assert found.rmse["model"][1] > found.rmse["linear"][0]
    assert found.distinguishable is True
    assert found.skill is not None
    assert found.skill[0] > 0
    same = intervals({"model": hard, "linear": hard}, np.ones(60), "linear")
    assert same.distinguishable is False


def test_rounding_is_no_difference() -> None:
    """A network that does nothing has the errors of the simple method, but for the last digits."""
    errors = RANDOM.gamma(4, 1, 60)
    found = intervals({"model": errors * (1 - 1e-9), "linear": errors}, np.ones(60), "linear")
    assert found.difference is not None and found.difference[1] < 0
    assert found.distinguishable is False


def test_weights_and_steps_without_values() -> None:
    squared = np.array([4.0, 0.0, 8.0, 2.0, 0.0, 6.0, 4.0, 4.0])
    points = np.array([2.0, 0.0, 4.0, 1.0, 0.0, 3.0, 2.0, 2.0])
    found = intervals({"model": squared, "bicubic": 2 * squared}, points, "bicubic")
    assert found.steps == 6
    assert found.rmse is not None
    assert found.rmse["model"] == pytest.approx((2**0.5, 2**0.5))


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_records_that_are_too_short_have_none(steps: int) -> None:
    errors = np.arange(1.0, steps + 1)
    found = intervals({"model": errors, "bicubic": errors}, np.ones(steps), "bicubic")
    assert (found.rmse, found.difference, found.distinguishable) == (None, None, None)
    assert found.as_json()["steps"] == steps


def test_steps_that_are_all_alike_have_none() -> None:
    slow = 5 + np.sin(np.linspace(0, 1.5, 60))
    found = intervals({"model": slow, "bicubic": 1.1 * slow}, np.ones(60), "bicubic")
    assert found.independent < 5
    assert (found.rmse, found.distinguishable) == (None, None)


def test_some_of_the_steps_are_drawn_as_all_of_them_say() -> None:
    errors = RANDOM.gamma(4, 1, 40)
    alike = intervals({"model": errors, "b": 1.1 * errors}, np.ones(40), "b", autocorrelation=0.6)
    assert alike.independent == pytest.approx(independent_steps(40, 0.6)) == pytest.approx(10)
    assert alike.block == block_length(40, 0.6) > 1
    assert alike.blocks == 40 / alike.block < alike.independent


def test_the_same_scores_give_the_same_intervals() -> None:
    errors = RANDOM.gamma(2, 1, 40)
    first, second = (intervals({"model": errors, "b": errors + 1}, np.ones(40), "b") for _ in "12")
    assert first == second


def test_no_score_lies_where_it_cannot_be() -> None:
    """One step of few with nearly all of the error: what is widened must not become negative."""
    errors = np.array([2.0, *[1e-4] * 9, 1.0, 0.5])
    found = intervals({"model": errors, "b": 2 * errors}, np.ones(12), "b", autocorrelation=0.0)
    assert found.rmse is not None
    assert all(0 <= low < high for low, high in found.rmse.values())
    drawn = np.linspace(0.9, 0.999, 2000)
    for score, least, most in (("ssim", -1, 1), ("mae", 0, np.inf), ("bias", -np.inf, np.inf)):
        low, high = interval_of(drawn, 3, score)
        assert least <= low < 0.9 < high <= most
    assert interval_of(drawn, 3, "correlation")[1] == 1
    assert interval_of(drawn, 3)[1] > 1


def test_nothing_is_divided_by_errors_that_most_steps_have_not() -> None:
    """As of sea ice, which is there in few steps: a share of hardly anything says nothing."""
    errors = np.array([3.0, 2.0, *[1e-12] * 10])
    found = intervals({"model": errors + 1e-4, "b": errors}, np.ones(12), "b", autocorrelation=0.0)
    assert found.skill is None
    assert found.difference is not None
    assert found.rmse is not None
