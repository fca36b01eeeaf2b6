"""ReMD: a correction in every step, of what a guess misses, and nothing of it on land."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from srwizard.models import build
from srwizard.models.catalog import card, problems, resolve_parameters
from srwizard.models.diffusion import Condition
from srwizard.models.fluid_residual import BINS, block_means, fluid_residual, log_spectrum, spread
from srwizard.models.remd import FIRST_WEIGHT, ReMD
from srwizard.models.resshift import ResShift
from srwizard.models.upsampling import bicubic
from tests.small_networks import SMALL_UNET

SMALL = {**SMALL_UNET, "timesteps": 15, "sampling_steps": 3}


def small(**params: Any) -> ReMD:
    """Return a model whose networks both say something, the same each time."""
    torch.manual_seed(0)
    given = SMALL | {"k": 2, "c": 2, "grid_levels": [1, 1]} | params
    net = build("ReMD", in_channels=1, out_channels=1, scale=2, params=given)
    assert isinstance(net, ReMD)
    nn.init.normal_(net.denoiser.final_conv.block[-1].weight, std=0.1)  # type: ignore
    nn.init.normal_(net.correction.project.weight, std=0.1)
    return net.eval()


def given(mask: Tensor | None = None) -> Condition:
    torch.manual_seed(1)
    lr = torch.randn(2, 1, 6, 8)
    return Condition(lr, bicubic(lr, 2), mask)


def test_untrained_it_is_resshift() -> None:
    torch.manual_seed(0)
    plain = build("ResShift", in_channels=1, out_channels=1, scale=2, params=SMALL).eval()
    nn.init.normal_(plain.denoiser.final_conv.block[-1].weight, std=0.1)  # type: ignore
    net = small()
    nn.init.zeros_(net.correction.project.weight)
    net.denoiser.load_state_dict(plain.denoiser.state_dict())  # type: ignore
    lr = torch.randn(2, 1, 6, 8)
    for steps in (1, 3):
        found, expected = (
            each.sample(lr, steps, torch.Generator().manual_seed(0))  # type: ignore
            for each in (net, plain)
        )
        assert torch.equal(found, expected)


@pytest.mark.parametrize("prediction", ["v", "x0"])
def test_a_guess_is_corrected_by_a_quarter_of_what_has_been_shifted(prediction: str) -> None:
    net, condition = small(prediction=prediction), given()
    x, level = torch.randn(2, 1, 12, 16), net.levels(torch.tensor([14, 6]))
    with torch.no_grad():
        found = net.x0_behind(x, net.predicted(condition, x, level), level)
        guess = net.x0_behind(x, super(ReMD, net).predicted(condition, x, level), level)
        everywhere = torch.ones_like(x, dtype=torch.bool)
        missed = net.residual(condition, guess, everywhere, level)
        change = net.correction(torch.cat([guess, missed], dim=1), level.told)
    eta = (1 - net.signal_rates[[14, 6]])[:, None, None, None]
    torch.testing.assert_close(found, guess + 0.25 * eta * change)
    assert change.abs().max() > 1e-3


@pytest.mark.parametrize("skip_outside", [False, True])
def test_the_residual_is_of_block_means_and_of_what_fields_are_like(skip_outside: bool) -> None:
    net = small()
    net.skip_outside = skip_outside
    net.residual_std.fill_(0.5)
    mask = torch.rand(2, 1, 12, 16) < 0.8
    condition = given(mask)
    x0, level = torch.randn(2, 1, 12, 16), net.levels(torch.tensor([14, 0]))
    wanted = torch.zeros(2, 1, 6, 8) if skip_outside else condition.lr
    lacking = wanted - block_means(net.field(condition.up, x0), mask, 2)
    lacking[block_means(mask.float(), mask, 2) == 0] = 0
    of_means = torch.where(mask, bicubic(lacking, 2) / 0.5, 0.0)
    like = fluid_residual(x0, condition.up, mask, net.log_power)
    like = like * spread(of_means, mask) / spread(like, mask)
    weights = torch.tensor([FIRST_WEIGHT, 1.0])[:, None, None, None]
    torch.testing.assert_close(net.residual(condition, x0, mask, level), of_means + weights * like)


def test_a_field_with_lr_s_block_means_misses_nothing_of_them() -> None:
    net, condition = small(), given()
    hr = torch.randn(2, 1, 12, 16)
    everywhere = torch.ones_like(hr, dtype=torch.bool)
    lr = block_means(hr, everywhere, 2)
    condition = Condition(lr, bicubic(lr, 2))
    x0 = net.modelled(condition.up, hr, everywhere)
    level = net.levels(torch.tensor([0, 0]))
    assert net.residual(condition, x0, everywhere, level).abs().max() < 1e-5


def test_weight_rises_from_a_fifth_to_one_by_a_cosine() -> None:
    found = small().weight(torch.tensor([14, 7, 0])).flatten().tolist()
    assert found == pytest.approx([0.2, 0.6, 1.0])


@pytest.mark.parametrize("tiled", [False, True])
def test_land_has_no_influence_on_the_correction(
    tiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the network says on land is corrected by nothing, and changes nothing elsewhere."""
    net = small()
    mask = torch.rand(2, 1, 12, 16) < 0.7
    condition = given(mask)
    if tiled:

        def halves(network: Any, shown: Tensor) -> Tensor:
            return torch.cat([network(part) for part in shown.chunk(2, dim=-1)], dim=-1)

        condition = Condition(condition.lr, condition.up, mask, halves)
    level = net.levels(torch.tensor([14, 3]))

    said, x = torch.randn(2, 2, 1, 12, 16).unbind()
    found = []
    with torch.no_grad():
        for rubbish in (0.0, 1e6):
            guess = torch.where(mask, said, rubbish)
            monkeypatch.setattr(ResShift, "predicted", lambda *_given, guess=guess: guess)
            found.append(net.predicted(condition, x, level))
    assert torch.equal(found[0][mask], found[1][mask])
    assert (found[1][~mask] == 1e6).all()
    assert (found[0] - said)[mask].abs().max() > 1e-3


def test_calibration_takes_the_spectrum_of_what_is_modelled() -> None:
    net = small()
    lr = torch.randn(4, 1, 8, 8)
    hr = bicubic(lr, 2) + 0.1 * torch.randn(4, 1, 16, 16)
    mask = torch.rand(hr.shape) < 0.9
    net.calibrate([(lr[:3], hr[:3], mask[:3]), (lr[3:], hr[3:], mask[3:])])
    found, points = log_spectrum(net.modelled(bicubic(lr, 2), hr, mask), mask), mask.sum((2, 3))
    expected = (found * points[..., None]).sum(0) / points.sum(0)[:, None]
    torch.testing.assert_close(net.log_power, expected, rtol=1e-3, atol=1e-3)
    assert net.log_power.shape == (1, BINS)
    assert "log_power" in net.state_dict()


def test_fields_without_a_value_do_not_count_in_the_spectrum() -> None:
    lr = torch.randn(4, 1, 8, 8)
    hr = bicubic(lr, 2) + 0.1 * torch.randn(4, 1, 16, 16)
    mask = torch.ones(hr.shape, dtype=torch.bool)
    alone, among = small(), small()
    alone.calibrate([(lr[:2], hr[:2], mask[:2])])
    mask[2:] = False
    among.calibrate([(lr, hr, mask)])
    torch.testing.assert_close(among.log_power, alone.log_power)
    among.calibrate([(lr[2:], hr[2:], mask[2:])])
    assert (among.log_power == 0).all()


def test_few_steps_are_the_default_and_what_cannot_work_is_named() -> None:
    assert small(sampling_steps=5).sampling_steps == 5
    assert resolve_parameters(card("ReMD"), {})["sampling_steps"] == 8
    (found,) = problems(card("ReMD"), resolve_parameters(card("ReMD"), {"k": 3, "c": 1}), 2, None)
    assert "c * k * k is 9; it must be even" in found
    assert math.isclose(small().rates[-1].signal, 0.01)
