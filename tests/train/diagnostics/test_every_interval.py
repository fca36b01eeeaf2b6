"""The interval of every score, by drawing whole fields and computing each score of them anew."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from srwizard.data.baselines.choice import MODEL
from srwizard.data.grid import Grid
from srwizard.train.diagnostics.bootstrap import drawn_intervals
from srwizard.train.diagnostics.consistency import Consistency
from srwizard.train.diagnostics.diagnostic import Diagnostic, Scored
from srwizard.train.diagnostics.geostrophy import Geostrophy
from srwizard.train.diagnostics.gradients import Gradients, Spacing
from srwizard.train.diagnostics.scales import Scales
from srwizard.train.diagnostics.series import Series
from srwizard.train.diagnostics.vectors import Vectors
from srwizard.train.ensembles import ensemble_sums
from srwizard.train.metrics import sample_sums, spectrum_error
from srwizard.train.simple_methods import BEST
from tests.train.diagnostics import definitions
from tests.train.diagnostics.definitions import Array

H, W, STEPS, MEMBERS, DRAWS = 16, 20, 40, 4, 200
LAT, LON = np.linspace(20.0, 35.0, H), np.linspace(110.0, 129.0, W)
EARTH = definitions.Earth(LAT, LON)
RANDOM = np.random.default_rng(3)
NAMES = ["adt", "v"]


def smooth(count: int) -> Array:
    rough = RANDOM.standard_normal((count, 2, H, W))
    return np.asarray(ndimage.gaussian_filter(rough, (0, 0, 1.5, 1.5))) * 4


def case() -> tuple[Array, Array, Array]:
    """Steps without memory, easy and hard by turns: truth, members, LR; land in one corner."""
    truth = smooth(STEPS)
    hard = np.resize([0.2, 0.6], (STEPS, 1, 1, 1)) * RANDOM.gamma(9, 1 / 9, (STEPS, 1, 1, 1))
    members = np.stack([truth + hard * (smooth(STEPS) + 0.3) for _ in range(MEMBERS)])
    truth[..., :4, :5] = np.nan
    lr = np.nanmean(np.nan_to_num(truth).reshape(STEPS, 2, H // 2, 2, W // 2, 2), axis=(3, 5))
    lr[..., :2, :3] = np.nan
    return truth, members, lr + 0.1


def scored(truth: Array, members: Array, lr: Array) -> Scored:
    hr, drawn, low = (torch.from_numpy(part) for part in (truth, members, lr))
    mask = hr.isfinite()
    fields = {MODEL: drawn.mean(dim=0), BEST: hr.nan_to_num() * 0.8, "bicubic": drawn[0]}
    zero, one = torch.zeros(2), torch.ones(2)
    sums = {name: sample_sums(part, hr, mask, zero, one) for name, part in fields.items()}
    of_members = [ensemble_sums(drawn[:, step], hr[step], mask[step]) for step in range(len(hr))]
    return Scored(
        range(len(hr)), fields, hr, mask, low, sums, drawn, torch.stack(of_members)
    )  # fmt: skip


def told_of(at: Scored) -> dict[str, Any]:
    """Return the intervals that the program tells of the model, by a name for each score."""
    grid = Grid(*np.meshgrid(LON, LAT))
    shares = np.full((2, H, W), 0.25, np.float32)
    days = [str(day) for day in range(STEPS)]
    found: list[Diagnostic] = [
        Series.of(NAMES, days, np.ones(2), (H, W)),
        Scales.of(NAMES, (H, W), EARTH.cell_km, STEPS),
        Gradients(NAMES, Spacing.of(grid, (H, W)), STEPS),
        Geostrophy.of(NAMES, grid, STEPS),
        Consistency(NAMES, shares, STEPS),
        Vectors.of(NAMES, [(0, 1)], grid, (H, W), STEPS),
    ]
    told: dict[str, Any] = {}
    for one in found:
        one.add(at)
        for figures in (one.numbers().get("adt", {}), one.numbers().get("adt,v", {})):
            told |= figures
    scores = told.pop("interval")
    assert scores["steps"] == STEPS
    assert scores["block"] == 1
    assert set(scores["scores"]["bicubic"]) == set(scores["scores"][MODEL]) - {"spread"}
    flat = dict(scores["scores"][MODEL])
    for kind, figures in told.items():
        if figures.get("interval"):
            assert figures["interval"]["steps"] == STEPS
            own = figures["interval"]["scores"][MODEL]
            flat |= {f"{kind} {name}": ends for name, ends in own.items()}
    return flat


def recomputed(truth: Array, members: Array, lr: Array) -> dict[str, float]:
    """Return the scores of some steps from their definitions."""
    sr, hr = members[:, :, 0].mean(axis=0), truth[:, 0]
    pairs = (sr, members[:, :, 1].mean(axis=0)), (hr, truth[:, 1])
    scores = definitions.scores(sr, hr, 0.0, 1.0) | definitions.ensemble(members[:, :, 0], hr)
    nested = {
        "effective_resolution": definitions.effective_resolution(sr, hr, EARTH.cell_km),
        "gradient": definitions.gradient(sr, hr, EARTH)["own"],
        "geostrophic_speed": {"rmse": definitions.geostrophic_speed(sr, hr, EARTH)},
        "consistency": {"rmse": definitions.consistency(sr, lr[:, 0])["rmse"]},
        "vector": definitions.vector(*pairs, EARTH),
    }
    flat = {
        f"{kind} {name}": value for kind, told in nested.items() for name, value in told.items()
    }
    return {name: value for name, value in scores.items() if name != "rmse"} | flat


@pytest.mark.slow
def test_every_score_has_the_interval_of_drawn_fields() -> None:
    truth, members, lr = case()
    told = told_of(scored(truth, members, lr))
    drawn = []
    for _draw in range(DRAWS):
        steps = RANDOM.integers(0, STEPS, STEPS)
        drawn.append(recomputed(truth[steps], members[:, steps], lr[steps]))
    wider = stats.t.ppf(0.975, STEPS - 1) / stats.norm.ppf(0.975) * np.sqrt(STEPS / (STEPS - 1))
    assert told.keys() == drawn[0].keys()
    for name, (low, high) in told.items():
        first, middle, last = np.quantile([one[name] for one in drawn], (0.025, 0.5, 0.975))
        expected = middle + wider * (first - middle), middle + wider * (last - middle)
        assert (low, high) == pytest.approx(expected, abs=0.25 * (last - first)), name


@pytest.mark.broad
def test_intervals_of_the_spectrum_error_hold_the_truth() -> None:
    """SR with four fifths of the amplitude and some noise: the ratio of the spectra is known."""
    waves, steps, noise = 12, 60, 0.05
    exact = float(10 * np.log10(0.64 + noise))
    held = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        parts = [random.standard_normal((steps, waves, 12)) for _ in range(2)]
        hr = (parts[0] ** 2).sum(axis=2)
        sr = ((0.8 * parts[0] + noise**0.5 * parts[1]) ** 2).sum(axis=2)

        def error(sums: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"spectrum_error": spectrum_error(*sums.chunk(2, dim=-1))}

        sums = torch.from_numpy(np.concatenate([sr, hr], axis=1))
        low, high = drawn_intervals(sums, 1, len(sums), error)["spectrum_error"]
        held += low <= abs(exact) <= high
    assert held >= 90


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_too_few_steps_have_no_interval(steps: int) -> None:
    truth, members, lr = case()
    at = scored(truth[:2], members[:, :2], lr[:2])
    at = Scored(range(2), at.fields, at.truth, at.mask, at.lr, at.sums)
    makers: list[Callable[[], Diagnostic]] = [
        lambda: Scales.of(NAMES, (H, W), None, 2),
        lambda: Gradients(NAMES, Spacing.of(None, (H, W)), 2),
    ]
    for make in makers:
        found = make()
        if steps:
            found.add(at)
        for figures in found.numbers()["adt"].values():
            assert figures["interval"]["scores"] is None
