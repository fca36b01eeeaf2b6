"""DDPM and SR3 with V-cycles in place of the U-Net."""

from typing import Any

import pytest
import torch
from torch import nn

from srwizard.models import build, set_gradient_checkpointing
from srwizard.models.cards.denoiser import COEFFICIENTS
from srwizard.models.catalog import card, problems, resolve_parameters
from srwizard.models.denoiser import TimeDenoiser
from srwizard.models.diffusion import DiffusionModel
from srwizard.models.multigrid_denoiser import POLYNOMIALS, MultigridDenoiser
from tests.small_networks import SMALL_UNET

NAMES = ("DDPM", "SR3")


def small(name: str, *, scale: int = 2, **params: Any) -> DiffusionModel:
    torch.manual_seed(0)
    params = SMALL_UNET | {"denoiser": "multigrid"} | params
    net = build(name, in_channels=1, out_channels=1, scale=scale, params=params)
    assert isinstance(net, DiffusionModel)
    return net


def test_a_run_that_does_not_say_has_the_u_net() -> None:
    net = build("DDPM", in_channels=1, out_channels=1, scale=2, params=SMALL_UNET)
    assert isinstance(net.denoiser, TimeDenoiser)
    assert resolve_parameters(card("DDPM"), {})["denoiser"] == "unet"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (3, 5), (7, 13)])
def test_any_size(name: str, shape: tuple[int, int]) -> None:
    net = small(name, scale=3, channel_mults=[1, 1, 2]).eval()
    assert isinstance(net.denoiser, MultigridDenoiser)
    found = net.sample(torch.randn(2, 1, *shape), 2)
    assert found.shape == (2, 1, 3 * shape[0], 3 * shape[1])
    assert found.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_untrained_it_predicts_zero(name: str) -> None:
    net = small(name)
    told = net.levels(torch.tensor([0, 5])).told
    assert not net.denoiser(torch.randn(2, 2, 6, 8), told).any()


@pytest.mark.parametrize("name", NAMES)
def test_it_sees_what_it_is_told_and_every_parameter_learns(name: str) -> None:
    net = small(name).train()
    nn.init.normal_(net.denoiser.final_conv.block[-1].weight)  # type: ignore
    nn.init.normal_(net.denoiser.cycles[0].before.film.weight)  # type: ignore
    x = torch.randn(1, 2, 6, 8).expand(2, -1, -1, -1)
    early, late = net.denoiser(x, net.levels(torch.tensor([0, len(net.rates) - 1])).told)
    assert (early - late).abs().max() > 1e-3
    gradients = []
    for enabled in (False, True):
        assert set_gradient_checkpointing(net, enabled)
        net.zero_grad()
        torch.manual_seed(3)
        hr = torch.randn(2, 1, 12, 16)
        net.training_loss(torch.randn(2, 1, 6, 8), hr, hr > -1).mean().backward()
        gradients.append([p.grad.clone() for p in net.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(list(net.parameters()))
    for plain, checkpointed in zip(*gradients, strict=True):
        assert plain.abs().max() > 0
        torch.testing.assert_close(plain, checkpointed)


def test_mixed_precision_stays_near() -> None:
    net = small("DDPM")
    nn.init.normal_(net.denoiser.final_conv.block[-1].weight, std=0.1)  # type: ignore
    x, told = torch.randn(2, 2, 6, 8), torch.tensor([3, 700])
    with torch.autocast("cpu", torch.bfloat16):
        found = net.denoiser(x, told).float()
    torch.testing.assert_close(found, net.denoiser(x, told), rtol=0.05, atol=0.05)


def test_channels_that_the_coefficients_do_not_share() -> None:
    assert COEFFICIENTS == POLYNOMIALS**2
    given = {"denoiser": "multigrid", "inner_channel": 30, "norm_groups": 5}
    (found,) = problems(card("DDPM"), resolve_parameters(card("DDPM"), given), 2, None)
    assert "must be a multiple of 4" in found
