"""Scales, gradients, vectors, sea level: against what scipy and NumPy give, and known fields."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from scipy import signal
from torch import Tensor

from srwizard.data.baselines.choice import MODEL
from srwizard.data.grid import EARTH_RADIUS_KM, Grid
from srwizard.train.diagnostics.diagnostic import METHODS, Diagnostic, Scored
from srwizard.train.diagnostics.geostrophy import Geostrophy
from srwizard.train.diagnostics.gradients import Gradients, Spacing
from srwizard.train.diagnostics.scales import Scales, resolved_wavenumber
from srwizard.train.diagnostics.series import Series
from srwizard.train.diagnostics.vectors import Vectors
from srwizard.train.metrics import masked_ssim, sample_sums
from srwizard.train.simple_methods import BEST

H, W = 24, 40
SPAN = np.array([1.0])
DAYS = ["20200130", "20200131", "20200201", "20200202", "20200203"]


def fields(count: int, channels: int = 1, seed: int = 0) -> Tensor:
    random = np.random.default_rng(seed)
    rough = random.standard_normal((count, channels, H, W))
    return torch.from_numpy(signal.convolve(rough, np.ones((1, 1, 3, 3)) / 9, mode="same")).float()


def scored(truth: Tensor, model: Tensor, first: int = 0, mask: Tensor | None = None) -> Scored:
    mask = torch.ones_like(truth, dtype=torch.bool) if mask is None else mask
    compared = {MODEL: model, BEST: truth + 0.5, "bicubic": torch.zeros_like(truth)}
    lr = torch.nn.functional.avg_pool2d(truth, 2)
    zero, one = torch.zeros(truth.shape[1]), torch.ones(truth.shape[1])
    sums = {name: sample_sums(sr, truth, mask, zero, one) for name, sr in compared.items()}
    return Scored(range(first, first + len(truth)), compared, truth, mask, lr, sums)


def grid(south: float = 20.0, north: float = 44.0) -> Grid:
    lat, lon = np.meshgrid(np.linspace(south, north, H), np.linspace(100, 140, W), indexing="ij")
    return Grid(lon, lat)


def added(diagnostic: Diagnostic, batches: Sequence[Scored]) -> Diagnostic:
    for batch in batches:
        diagnostic.add(batch)
    return diagnostic


def land() -> Tensor:
    mask = torch.ones(1, 1, H, W, dtype=torch.bool)
    mask[..., :7, :9] = False
    mask[..., 15, 20] = False
    return mask


def test_a_step_counts_where_it_belongs_whatever_the_batches() -> None:
    truth, model = fields(5), fields(5, seed=1)
    mask = land().expand(5, 1, H, W)
    whole = added(Series.of(["t"], DAYS[:5], SPAN, (H, W)), [scored(truth, model, mask=mask)])
    parts = added(
        Series.of(["t"], DAYS[:5], SPAN, (H, W)),
        [scored(truth[i:], model[i:], i, mask[i:]) for i in (3,)]
        + [scored(truth[:3], model[:3], 0, mask[:3])],
    )
    assert isinstance(whole, Series)
    assert isinstance(parts, Series)
    assert torch.allclose(whole.squared, parts.squared)
    expected = ((model - truth).double().square() * mask)[:, 0].sum(dim=(1, 2))
    assert torch.allclose(whole.squared[0, 0], expected)
    told = whole.numbers()["t"]["interval"]
    assert told["steps"] == 5


def test_every_score_has_an_interval_by_resampling_steps() -> None:
    """Of steps without memory: steps drawn one by one, and scores computed of the fields anew."""
    count = 40
    truth, model = fields(count), fields(count, seed=1) * 0.3
    model = model + torch.linspace(0, 1, count)[:, None, None, None].flip(0)[
        torch.randperm(count, generator=torch.Generator().manual_seed(3))
    ] + truth  # fmt: skip
    found = added(
        Series.of(["t"], [str(day) for day in range(count)], SPAN, (H, W)), [scored(truth, model)]
    )
    told = found.numbers()["t"]["interval"]
    assert told["block"] <= 2
    random = np.random.default_rng(0)
    sr, hr = (part[:, 0].double().numpy() for part in (model, truth))
    drawn: dict[str, list[float]] = {name: [] for name in ("mae", "bias", "psnr", "correlation")}
    for _draw in range(400):
        steps = random.integers(0, count, count)
        error = sr[steps] - hr[steps]
        drawn["mae"].append(np.abs(error).mean())
        drawn["bias"].append(error.mean())
        drawn["psnr"].append(-10 * np.log10((error**2).mean()))
        drawn["correlation"].append(np.corrcoef(sr[steps].ravel(), hr[steps].ravel())[0, 1])
    scores = told["scores"][MODEL]
    assert set(scores) == {*drawn, "ssim", "spectrum_error"}
    for name, values in drawn.items():
        low, high = np.quantile(values, (0.025, 0.975))
        width = high - low
        assert scores[name] == pytest.approx((low, high), abs=0.25 * width), name
    low, high = scores["ssim"]
    window = masked_ssim(
        model, truth, torch.ones_like(truth, dtype=torch.bool), *[torch.zeros(1), torch.ones(1)]
    )
    assert low < float(window.mean()) < high
    short = added(Series.of(["t"], DAYS[:2], SPAN, (H, W)), [scored(truth[:2], model[:2])])
    assert short.numbers()["t"]["interval"]["scores"] is None


def test_errors_by_month() -> None:
    truth, model = fields(5), fields(5, seed=1)
    mask = land().repeat(5, 1, 1, 1)
    mask[3] = False
    found = added(Series.of(["t"], DAYS, SPAN, (H, W)), [scored(truth, model, mask=mask)])
    january, february = found.numbers()["t"]["month"]
    assert (january["month"], january["steps"]) == (1, 2)
    assert (february["month"], february["steps"]) == (2, 2)
    error = (model - truth).double()
    for told, steps in ((january, [0, 1]), (february, [2, 4])):
        own = error[steps][mask[steps]].numpy()
        assert told["points"] == len(own)
        assert told[MODEL]["rmse"] == pytest.approx(np.sqrt(np.mean(own**2)))
        assert told[BEST]["rmse"] == pytest.approx(0.5)
    assert "month" not in Series.of(["t"], ["000001", "000002"], SPAN, (H, W)).numbers()["t"]


def test_spectra_of_errors_by_scipy() -> None:
    truth, model = fields(3), fields(3, seed=1)
    found = added(Scales.of(["t"], (H, W), None, 5), [scored(truth, model)])
    assert isinstance(found, Scales)
    window = signal.windows.hann(H)[:, None] * signal.windows.hann(W)
    error = (model - truth)[:, 0].double().numpy()
    error = (error - error.mean(axis=(1, 2), keepdims=True)) * window
    power = (np.abs(np.fft.fft2(error)) ** 2).sum(axis=0)
    ring = np.rint(np.hypot(*np.meshgrid(np.fft.fftfreq(H) * H, np.fft.fftfreq(W) * H,
                                         indexing="ij"))).astype(int)  # fmt: skip
    expected = np.bincount(ring.ravel(), power.ravel())[1 : H // 2 + 1]
    assert found.errors[0, 0].numpy() == pytest.approx(expected, rel=1e-4)
    assert found.arrays()["scales_errors"].shape == (len(METHODS), 1, H // 2)


def test_the_effective_resolution_of_a_known_error() -> None:
    waves = np.arange(1, 17.0)
    truth = waves**-3
    # error / truth = (k / 8) ** 4 / 2 reaches one half at wavenumber 8.
    assert resolved_wavenumber(truth * (waves / 8) ** 4 / 2, truth) == pytest.approx(8)
    assert resolved_wavenumber(truth * (waves / 6.5) ** 4 / 2, truth) == pytest.approx(6.5)
    assert resolved_wavenumber(0 * truth, truth) == 16
    assert resolved_wavenumber(truth, truth) is None
    assert resolved_wavenumber(truth, 0 * truth) is None
    found = Scales.of(["t"], (32, 64), 25.0, 1)
    found.truth[0] = torch.from_numpy(truth)
    found.errors[:, 0] = torch.from_numpy(truth * (waves / 8) ** 4 / 2)
    told = found.numbers()["t"]["effective_resolution"][MODEL]
    assert told == {"cells": pytest.approx(4), "km": pytest.approx(100)}


def test_a_field_without_its_fine_waves_has_a_coarse_resolution() -> None:
    random = torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    k = torch.fft.fftfreq(64) * 64
    radius = torch.hypot(k[:, None], k)
    spectrum = torch.fft.fft2(random) * torch.where(radius > 0, radius, torch.inf) ** -2
    truth = torch.fft.ifft2(spectrum).real
    smooth = torch.fft.ifft2(torch.where(radius <= 8, spectrum, 0)).real
    found = added(Scales.of(["t"], (64, 64), None, 4), [scored(truth, smooth)])
    cells = found.numbers()["t"]["effective_resolution"][MODEL]["cells"]
    assert 64 / 10 < cells < 64 / 7


def test_gradients_by_numpy() -> None:
    truth, model = fields(3), fields(3, seed=1)
    mask = land().expand(3, 1, H, W)
    found = added(
        Gradients(["t"], Spacing.of(grid(), (H, W)), 3), [scored(truth, model, mask=mask)]
    )
    told = found.numbers()["t"]["gradient"]
    dy, dx = grid().spacing_km
    valid = mask[0, 0].numpy()
    inner = np.zeros_like(valid)
    inner[1:-1, 1:-1] = (
        valid[1:-1, 1:-1] & valid[2:, 1:-1] & valid[:-2, 1:-1] & valid[1:-1, 2:] & valid[1:-1, :-2]
    )
    squared, magnitudes = [], []
    for step in range(3):
        parts = [np.gradient(part[step, 0].double().numpy()) for part in (model, truth)]
        (my, mx), (ty, tx) = ((p[0] / dy, p[1] / dx) for p in parts)
        squared.append(((my - ty) ** 2 + (mx - tx) ** 2)[inner])
        magnitudes.append([np.hypot(a, b)[inner] for a, b in ((my, mx), (ty, tx))])
    assert told["per"] == "km"
    assert told[MODEL]["rmse"] == pytest.approx(np.sqrt(np.mean(squared)), rel=1e-4)
    for level in (95, 99):
        ours, theirs = np.percentile(np.array(magnitudes), level, axis=2).T
        assert told[MODEL][f"p{level}"] == pytest.approx(
            np.sqrt(np.mean((ours - theirs) ** 2)), rel=1e-4
        )
        assert told["truth"][f"p{level}"] == pytest.approx(theirs.mean(), rel=1e-4)


def test_spacing_on_the_sphere() -> None:
    dy, dx = grid(-30, 60).spacing_km
    degree = np.pi * EARTH_RADIUS_KM / 180
    assert dy == pytest.approx(np.full((H, W), degree * 90 / (H - 1)), rel=1e-6)
    cosine = np.cos(np.deg2rad(np.linspace(-30, 60, H)))[:, None]
    assert dx == pytest.approx(np.broadcast_to(degree * 40 / (W - 1) * cosine, (H, W)), rel=1e-3)
    across = Grid(np.tile([[358.0, 359.0, 0.0, 1.0]], (3, 1)), np.zeros((3, 4)))
    assert across.spacing_km[1] == pytest.approx(np.full((3, 4), degree), rel=1e-6)


def test_derivatives_do_not_stop_at_the_seam() -> None:
    """Wherever a globe is cut open, its figures are the same."""
    lat, lon = np.meshgrid(np.linspace(-60, 60, H), np.arange(W) * 360 / W, indexing="ij")
    truth, model = fields(2, 2), fields(2, 2, seed=1)
    mask = land().expand(2, 2, H, W)

    def told(columns: int) -> list[dict[str, Any]]:
        turned = [part.roll(columns, dims=-1) for part in (truth, model, mask)]
        own = Grid(np.roll(lon, columns, axis=1), lat)
        found = (
            Gradients(["adt", "v"], Spacing.of(own, (H, W), periodic=True), 2),
            Vectors.of(["adt", "v"], [(0, 1)], own, (H, W), 2, periodic=True),
            Geostrophy.of(["adt", "v"], own, 2, periodic=True),
        )
        for one in found:
            one.add(scored(turned[0], turned[1], mask=turned[2]))
        return [dict(one.numbers()) for one in found]

    whole = told(0)
    for columns in (1, 17):
        for ours, theirs in zip(told(columns), whole, strict=True):
            for name, figures in ours.items():
                for key, value in figures.items():
                    assert value[MODEL] == pytest.approx(theirs[name][key][MODEL], rel=1e-5)


def rotation(turned: float) -> tuple[Tensor, Tensor]:
    """A body rotation about the poles, u = omega R cos(lat), and the same turned by an angle."""
    speed = torch.from_numpy(10 * np.cos(np.deg2rad(grid().lat))).float()[None, None]
    u, v = speed, torch.zeros_like(speed)
    c, s = np.cos(turned), np.sin(turned)
    return torch.cat([u, v], 1), torch.cat([c * u - s * v, s * u + c * v], 1)


@pytest.mark.parametrize("axis", [None, 2, 3])
def test_speed_direction_and_rotation_of_known_winds(axis: int | None) -> None:
    """On grids that run north and east, south, and west."""
    truth, model = rotation(np.deg2rad(30))
    own = grid()
    if axis is not None:
        own = Grid(*(np.flip(part, axis - 2).copy() for part in (own.lon, own.lat)))
        truth, model = truth.flip(axis), model.flip(axis)
    vectors = Vectors.of(["u", "v"], [(0, 1)], own, (H, W), 1)
    told = added(vectors, [scored(truth, model)]).numbers()["u,v"]["vector"][MODEL]
    assert told["speed_rmse"] == pytest.approx(0, abs=1e-5)
    assert told["direction_rmse"] == pytest.approx(30, abs=1e-3)
    assert told["kinetic_energy_bias"] == pytest.approx(0, abs=1e-6)
    # Vorticity of the rotation is 2 omega sin(lat), its divergence 0; of the turned one, whose
    # divergence is v' = sin(30 deg) u: 1 / (R cos) d(v' cos)/dlat = -2 omega sin(lat) sin(30 deg).
    omega = 10 / (EARTH_RADIUS_KM * 1000)
    sine = np.sin(np.deg2rad(own.lat[1:-1, 1:-1]))
    assert told["divergence_rmse"] == pytest.approx(
        np.sqrt(np.mean((2 * omega * sine * 0.5) ** 2)), rel=5e-3
    )
    expected = 2 * omega * sine * (np.cos(np.deg2rad(30)) - 1)
    assert told["vorticity_rmse"] == pytest.approx(np.sqrt(np.mean(expected**2)), rel=5e-3)


def test_the_geostrophic_speed_of_a_slope() -> None:
    own = grid(-4, 30)
    lat = np.deg2rad(own.lat)
    level = torch.from_numpy(1e-6 * EARTH_RADIUS_KM * 1000 * lat)[None, None].float()
    found = Geostrophy.of(["ADT"], own, 1)
    told = added(found, [scored(level, 3 * level)]).numbers()["ADT"]["geostrophic_speed"]
    away = (np.abs(own.lat) >= 5)[1:-1, 1:-1]
    speed = 9.81 * 1e-6 / (2 * 7.2921e-5 * np.abs(np.sin(lat[1:-1, 1:-1][away])))
    assert told[MODEL]["rmse"] == pytest.approx(np.sqrt(np.mean((2 * speed) ** 2)), rel=1e-2)
    assert Geostrophy.of(["temp"], own, 1).numbers() == {}


def test_fields_that_are_all_land_give_no_figures_and_no_error() -> None:
    truth = fields(2)
    nowhere = torch.zeros_like(truth, dtype=torch.bool)
    for found in (
        Series.of(["t"], DAYS[:2], SPAN, (H, W)),
        Scales.of(["t"], (H, W), None, 5),
        Gradients(["t"], Spacing.of(None, (H, W)), 2),
    ):
        told = added(found, [scored(truth, truth, mask=nowhere)]).numbers()["t"]
        assert told
