"""Flow matching: straight paths, their velocity, and what following it gives."""

import pytest
import torch
from torch import Tensor, nn

from srwizard.models import build
from srwizard.models.flow_matching import TOLD_PER_TIME, FlowMatching
from srwizard.models.upsampling import bicubic
from tests.small_networks import SMALL_UNET

SIGMA = 0.7


def small() -> FlowMatching:
    torch.manual_seed(0)
    net = build(
        "FlowMatching",
        in_channels=1,
        out_channels=1,
        scale=2,
        params=SMALL_UNET | {"sigma": SIGMA},
    )
    assert isinstance(net, FlowMatching)
    return net.eval()


class Gaussian(nn.Module):
    """The exact velocity where every point of the data is N(mean, std^2), in closed form."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.variance = mean, std**2
        self.calls = 0

    def forward(self, shown: Tensor, told: Tensor) -> Tensor:
        self.calls += 1
        t = (told / TOLD_PER_TIME)[:, None, None, None]
        noise = SIGMA * (1 - t)
        x = shown[:, 1:] * (t**2 + noise**2).sqrt()
        # E[x_1 - sigma epsilon | x_t], by regression.
        slope = (t * self.variance - SIGMA * noise) / (t**2 * self.variance + noise**2)
        return self.mean + slope * (x - t * self.mean)


def drawn(net: FlowMatching, steps: int, sampler: str = "euler") -> Tensor:
    """Return 2000 samples of one field, in units of what the skip misses."""
    lr = torch.randn(1, 1, 2, 3)
    generator = torch.Generator().manual_seed(1)
    fields = net.sample(lr.expand(2000, -1, -1, -1), steps, generator, sampler=sampler)
    return (fields - bicubic(lr, 2)) / net.residual_std


def test_paths_lead_from_the_skip_with_noise_straight_to_hr() -> None:
    net = small()
    lr, hr = torch.randn(2, 1, 3, 4), torch.randn(2, 1, 6, 8)
    net.residual_std.fill_(0.3)
    up, noise = bicubic(lr, 2), torch.randn(2, 1, 6, 8)
    x1 = net.modelled(up, hr, torch.ones(hr.shape, dtype=torch.bool))
    along = []
    for t in (0.0, 0.25, 1.0):
        level = net.levels(torch.full((2,), t))
        along.append(level.signal * x1 + level.noise * noise)
    torch.testing.assert_close(net.field(up, along[0]), up + 0.3 * SIGMA * noise)
    torch.testing.assert_close(net.field(up, along[2]), hr)
    velocity = net.wanted(x1, noise, level)
    torch.testing.assert_close(along[1] - along[0], 0.25 * velocity)
    torch.testing.assert_close(along[2] - along[0], velocity)


@pytest.mark.parametrize("steps", [1, 2, 8])
def test_where_there_is_one_answer_any_number_of_steps_leads_there(steps: int) -> None:
    net = small()
    net.denoiser = Gaussian(0.4, 0.0)
    torch.testing.assert_close(drawn(net, steps), torch.full((2000, 1, 4, 6), 0.4))


def test_one_step_gives_the_mean_of_all_samples() -> None:
    net = small()
    net.denoiser = Gaussian(0.4, 0.5)
    found = drawn(net, 1, "euler")
    torch.testing.assert_close(found, torch.full_like(found, 0.4))


@pytest.mark.parametrize("sampler", ["midpoint", "heun", "euler"])
def test_samples_have_mean_and_spread_of_the_data(sampler: str) -> None:
    net = small()
    net.denoiser = Gaussian(0.4, 0.5)
    found = drawn(net, 100, sampler)
    assert found.mean().item() == pytest.approx(0.4, abs=0.01)
    assert found.std().item() == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("std", [0.1, 0.5, 3.0])
def test_two_calls_a_step_are_more_exact_than_as_many_steps(std: float) -> None:
    net = small()
    net.denoiser = Gaussian(0.4, std)
    error = {}
    for sampler, steps in (("euler", 16), ("heun", 8), ("midpoint", 8)):
        net.denoiser.calls = 0
        error[sampler] = abs(drawn(net, steps, sampler).std().item() / std - 1)
        assert net.denoiser.calls == 16
    assert error["midpoint"] < 0.02
    assert error["midpoint"] < error["heun"] < 0.5 * error["euler"]


def test_samples_are_drawn_at_the_midpoint_in_eight_steps() -> None:
    net = small()
    assert (net.sampler, net.sampling_steps) == ("midpoint", 8)


def test_times_are_continuous_and_as_likely_as_each_other() -> None:
    told = small().random_levels(4000, torch.device("cpu")).told / TOLD_PER_TIME
    assert len(told.unique()) > 3900
    assert told.histc(4, 0, 1).tolist() == pytest.approx([1000] * 4, rel=0.15)


def test_untrained_it_draws_the_skip_with_noise() -> None:
    found = drawn(small(), 4)
    assert found.std().item() == pytest.approx(SIGMA, rel=0.02)
