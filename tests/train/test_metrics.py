"""Metrics agree with torchmetrics where nothing is masked, and see nothing of what is."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics.functional import mean_absolute_error, mean_squared_error, pearson_corrcoef
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from srwizard.train.metrics import Scores, masked_ssim, power_spectrum, sample_sums, scores_table
from srwizard.train.scoring import Score

LOW, SPAN = torch.tensor([5.0, -2.0]), torch.tensor([20.0, 4.0])
BORDER = 5
"""Half the SSIM window: nearer to the edge, torchmetrics mirrors the field, srwizard does not."""


def fields(seed: int = 0, batch: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """SR, HR `[B, 2, 24, 30]` within the range of each channel, and a mask."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 2, 6, 8, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (24, 30), mode="bilinear")
    hr = smooth * SPAN[:, None, None] + LOW[:, None, None]
    noise = torch.randn(batch, 2, 24, 30, generator=generator)
    mask = torch.rand(batch, 2, 24, 30, generator=generator) > 0.25
    return hr + 0.05 * noise * SPAN[:, None, None], hr, mask


def scores(sr: Tensor, hr: Tensor, mask: Tensor) -> list[Scores]:
    sums = sample_sums(sr, hr, mask, LOW, SPAN).sum(dim=0)
    return [Scores.from_sums(sums[c], float(SPAN[c])) for c in range(2)]


def test_against_torchmetrics() -> None:
    sr, hr, mask = fields()
    for c, found in enumerate(scores(sr, hr, torch.ones_like(mask))):
        one, other, span = sr[:, c].contiguous(), hr[:, c].contiguous(), float(SPAN[c])
        assert found.rmse == pytest.approx(
            float(mean_squared_error(one, other, squared=False)), rel=1e-5
        )
        assert found.mae == pytest.approx(float(mean_absolute_error(one, other)), rel=1e-5)
        # data_range as a number: torchmetrics clips the fields if it is given as limits.
        wanted = peak_signal_noise_ratio(one, other, data_range=span)
        assert found.psnr == pytest.approx(float(wanted), rel=1e-5)
        wanted = pearson_corrcoef(one.flatten(), other.flatten())
        assert found.correlation == pytest.approx(float(wanted), rel=1e-5)
        assert found.bias == pytest.approx(float((one - other).mean()), rel=1e-4)


def test_ssim_against_torchmetrics_within_the_border() -> None:
    sr, hr, mask = fields()
    ours = masked_ssim(sr, hr, torch.ones_like(mask), LOW, SPAN)
    scaled = [(part - LOW[:, None, None]) / SPAN[:, None, None] for part in (sr, hr)]
    inside = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    _mean, wanted = structural_similarity_index_measure(
        *scaled, data_range=1.0, return_full_image=True
    )
    torch.testing.assert_close(ours[inside], wanted[inside], rtol=1e-4, atol=1e-4)


def test_ssim_of_equal_fields_is_one() -> None:
    _sr, hr, mask = fields()
    similarity = masked_ssim(hr, hr, mask, LOW, SPAN)
    torch.testing.assert_close(similarity[mask], torch.ones_like(similarity[mask]))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    hidden=st.sampled_from([float("nan"), float("inf"), 3e38, -1e30, 0.0]),
    in_truth=st.booleans(),
)
def test_masked_points_change_nothing(seed: int, hidden: float, in_truth: bool) -> None:
    sr, hr, mask = fields(seed)
    clean = sample_sums(sr, hr, mask, LOW, SPAN).sum(dim=0)
    if in_truth:
        hr = torch.where(mask, hr, hidden)
    else:
        sr = torch.where(mask, sr, hidden)
    assert torch.equal(sample_sums(sr, hr, mask, LOW, SPAN).sum(dim=0), clean)
    assert clean.isfinite().all()


def test_masked_against_plain_means() -> None:
    sr, hr, mask = fields()
    for c, found in enumerate(scores(sr, hr, mask)):
        error = (sr - hr)[:, c][mask[:, c]].double()
        assert found.rmse == pytest.approx(float(error.square().mean().sqrt()), rel=1e-6)
        assert found.mae == pytest.approx(float(error.abs().mean()), rel=1e-6)
        assert found.bias == pytest.approx(float(error.mean()), rel=1e-6)
        both = torch.stack([part[:, c][mask[:, c]].double() for part in (sr, hr)])
        assert found.correlation == pytest.approx(float(both.corrcoef()[0, 1]), rel=1e-6)


def wave(k: int, l: int, shape: tuple[int, int] = (48, 96)) -> Tensor:  # noqa: E741
    """`[1, 1, H, W]`: k waves along y and l along x."""
    y, x = (torch.arange(size) / size for size in shape)
    return torch.cos(2 * math.pi * (k * y[:, None] + l * x) + 0.3)[None, None]


@pytest.mark.parametrize(
    ("k", "l", "ring"), [(5, 0, 5), (0, 10, 5), (0, 9, 4), (6, 16, 10), (23, 0, 23)]
)
def test_a_wave_stands_in_its_ring(k: int, l: int, ring: int) -> None:  # noqa: E741
    field = wave(k, l)
    power = power_spectrum(field, torch.ones_like(field, dtype=torch.bool))[0]
    assert len(power) == 24
    # The Hann window lets a third of the amplitude into the neighbours, and no more.
    assert int(power.argmax()) + 1 in (ring, ring + (l == 9))
    assert power[max(ring - 3, 0) : ring + 2].sum() > 0.99 * power.sum()


def test_all_of_the_power_is_counted() -> None:
    field = torch.randn(3, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    window = torch.hann_window(32, periodic=False)
    anomaly = (field - field.mean(dim=(2, 3), keepdim=True)) * window[:, None] * window
    whole = torch.fft.fft2(anomaly).abs().square().double()
    y = torch.fft.fftfreq(32, 1 / 32)
    rings = (y[:, None].square() + y.square()).sqrt().round().long()
    wanted = [whole.sum(dim=0)[:, rings == k].sum(dim=1) for k in range(1, 17)]
    found = power_spectrum(field, torch.ones_like(field, dtype=torch.bool))
    torch.testing.assert_close(found, torch.stack(wanted, dim=1), rtol=1e-5, atol=1e-8)


def test_the_spectrum_error_is_a_ratio_in_decibels() -> None:
    _sr, hr, mask = fields()
    mean = hr.mean(dim=(2, 3), keepdim=True)
    half = mean + (hr - mean) / 2
    for found in scores(half, hr, torch.ones_like(mask)):
        assert found.spectrum_error == pytest.approx(20 * math.log10(2), rel=1e-3)
    for found in scores(hr, hr, mask):
        assert found.spectrum_error == 0


@pytest.mark.parametrize("shares", [[[0, 1, 2, 3]], [[0], [1], [2], [3]], [[3, 1], [0, 2]]])
def test_sums_of_batches_and_ranks_add_up(shares: list[list[int]]) -> None:
    sr, hr, mask = fields(batch=4)
    parts = [sample_sums(sr[i], hr[i], mask[i], LOW, SPAN).sum(dim=0) for i in shares]
    whole = sample_sums(sr, hr, mask, LOW, SPAN).sum(dim=0)
    torch.testing.assert_close(torch.stack(parts).sum(0), whole, rtol=1e-6, atol=1e-6)


def test_nothing_to_measure() -> None:
    sr, hr, mask = fields()
    mask[:, 1] = False
    first, second = scores(sr, hr, mask)
    assert first.rmse > 0
    assert all(math.isnan(value) for value in vars(second).values())


BEST = {"a": "bicubic", "b": "bicubic"}


def test_skill_and_the_error_that_chooses_the_best() -> None:
    _sr, hr, mask = fields()
    model = sample_sums(hr + 1, hr, mask, LOW, SPAN).sum(dim=0)
    bicubic = sample_sums(hr + 2, hr, mask, LOW, SPAN).sum(dim=0)
    table = scores_table(["a", "b"], model, {"bicubic": bicubic}, BEST, SPAN)
    assert table["a"]["skill"] == pytest.approx(0.5)
    assert Score(0.0, table).error(SPAN) == pytest.approx((1 / 20 + 1 / 4) / 2)
    # A variable without a value, or of one value throughout, spoils the choice of no other.
    mask[:, 1] = False
    table = scores_table(
        ["a", "b"],
        sample_sums(hr + 1, hr, mask, LOW, SPAN).sum(dim=0),
        {"bicubic": bicubic},
        BEST,
        SPAN,
    )
    assert Score(0.0, table).error(SPAN) == pytest.approx(1 / 20)
    assert math.isfinite(Score(0.0, table).error(torch.zeros(2)))


def test_skill_is_against_the_best_simple_method_and_against_bicubic() -> None:
    _sr, hr, mask = fields()
    model, near, far = (
        sample_sums(hr + miss, hr, mask, LOW, SPAN).sum(dim=0) for miss in (1, 2, 4)
    )
    simple = {"bicubic": far, "linear": near, "best": near}
    table = scores_table(["a", "b"], model, simple, {"a": "linear", "b": "climatology(0.5)"}, SPAN)
    assert (table["a"]["best"], table["b"]["best"]) == ("linear", "climatology(0.5)")
    for found in table.values():
        assert found["skill"] == pytest.approx(0.5)
        assert found["skill_bicubic"] == pytest.approx(0.75)
    assert table["b"]["climatology(0.5)"]["rmse"] == pytest.approx(2)


def test_a_field_without_variance_has_no_correlation_however_it_is_rounded() -> None:
    mask = torch.ones(1, 1, 128, 160, dtype=torch.bool)
    low, span = torch.tensor([0.0]), torch.tensor([1.0])
    for seed in range(10):
        noise = torch.rand(1, 1, 128, 160, generator=torch.Generator().manual_seed(seed))
        flat = torch.full_like(noise, 1013.25 + seed / 7)
        sums = sample_sums(noise, flat, mask, low, span).sum(dim=0)[0]
        assert math.isnan(Scores.from_sums(sums, 1.0).correlation)


def test_without_a_range_there_is_no_ssim() -> None:
    mask = torch.ones(1, 1, 32, 32, dtype=torch.bool)
    field = torch.rand(1, 1, 32, 32)
    low, span = torch.tensor([0.0]), torch.tensor([0.0])
    assert math.isnan(Scores.from_sums(sample_sums(field, field, mask, low, span)[0, 0], 0.0).ssim)
