"""Diffusion models: what is learnt, and what is drawn."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from srwizard.base.errors import UsageError
from srwizard.models import build, load_reference, set_gradient_checkpointing
from srwizard.models.card import resolve_parameters
from srwizard.models.catalog import card
from srwizard.models.diffusion import DiffusionModel
from srwizard.models.noise_schedule import (
    cosine_schedule,
    even_times,
    linear_schedule,
    sampling_times,
)
from srwizard.models.remd import ReMD
from srwizard.models.resshift import shifting_schedule
from srwizard.models.upsampling import bicubic
from tests.small_networks import SMALL_UNET

NAMES = ("DDPM", "SR3", "ResShift", "ReMD", "FlowMatching")
SAMPLERS_OF = {"FlowMatching": ("midpoint", "heun", "euler")}
SAMPLERS = [
    (name, sampler)
    for name in NAMES
    for sampler in SAMPLERS_OF.get(name, ("dpm_solver", "ddim", "ancestral"))
]
CHAINS = [
    *(
        (name, {"schedule": schedule, "prediction": prediction})
        for name in ("DDPM", "SR3")
        for schedule in ("linear", "cosine")
        for prediction in ("epsilon", "x0", "v")
    ),
    *(("ResShift", {"prediction": prediction}) for prediction in ("x0", "v")),
]
EXTRA: dict[str, dict[str, Any]] = {"ReMD": {"k": 2, "c": 2, "grid_levels": [1]}}
"""What makes a model small beside its U-Net."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Fields this small are sharded more slowly than they are computed."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(name: str, *, channels: int = 1, scale: int = 2, **params: Any) -> DiffusionModel:
    """Build a tiny model whose output layer is not zero, the same each time."""
    torch.manual_seed(0)
    if "timesteps" in params:
        params = {"sampling_steps": min(15, params["timesteps"])} | params
    params = SMALL_UNET | EXTRA.get(name, {}) | params
    net = build(name, in_channels=channels, out_channels=channels, scale=scale, params=params)
    assert isinstance(net, DiffusionModel)
    torch.nn.init.normal_(net.denoiser.final_conv.block[-1].weight, std=0.1)  # type: ignore
    if isinstance(net, ReMD):
        torch.nn.init.normal_(net.correction.project.weight, std=0.1)
    return net


def fields(channels: int = 1, scale: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Return LR, HR and a mask that leaves out a third of the points."""
    torch.manual_seed(1)
    lr = torch.randn(3, channels, 6, 9)
    hr = bicubic(lr, scale) + 0.1 * torch.randn(3, channels, 6 * scale, 9 * scale)
    return lr, hr, torch.rand(hr.shape) < 2 / 3


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", range(2, 9))
def test_every_scale_and_odd_sizes(name: str, scale: int) -> None:
    net = tiny(name, scale=scale, channels=2).eval()
    assert net.sample(torch.randn(1, 2, 3, 5), 2).shape == (1, 2, 3 * scale, 5 * scale)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (2, 3), (7, 13)])
def test_any_size(name: str, shape: tuple[int, int]) -> None:
    net = tiny(name, channel_mults=[1, 1, 2], attn_res=[32]).eval()
    output = net.sample(torch.randn(2, 1, *shape), 2)
    assert output.shape == (2, 1, 2 * shape[0], 2 * shape[1])
    assert output.isfinite().all()


def test_forward_draws_in_the_default_steps() -> None:
    net = tiny("DDPM", timesteps=40, sampling_steps=7, sampler="ddim").eval()
    times = []
    net.denoiser.register_forward_hook(lambda _net, given, _out: times.append(int(given[1][0])))
    net(torch.randn(1, 1, 4, 4))
    assert times == [39, 33, 26, 20, 13, 7, 0]


@pytest.mark.parametrize("steps", [0, 16])
def test_more_steps_than_there_are(steps: int) -> None:
    with pytest.raises(UsageError, match="1 to 15 steps"):
        sampling_times(15, steps)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_under_the_mask_has_no_influence(name: str, channels: int) -> None:
    net = tiny(name, channels=channels)
    lr, hr, mask = fields(channels)

    def losses(filled: Tensor) -> tuple[Tensor, list[Tensor]]:
        net.zero_grad()
        torch.manual_seed(2)
        found = net.training_loss(lr, filled, mask)
        found.sum().backward()
        return found.detach(), [p.grad.clone() for p in net.parameters() if p.grad is not None]

    expected, gradients = losses(hr)
    assert expected.shape == (3,)
    for rubbish in (0.0, 1e6, math.nan, math.inf):
        found, others = losses(torch.where(mask, hr, rubbish))
        assert torch.equal(found, expected)
        assert all(torch.equal(*pair) for pair in zip(gradients, others, strict=True))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "ReMD"])
def test_loss_counts_points_with_a_value_only_and_by_area(name: str) -> None:
    net = tiny(name)
    net.denoiser = Nothing()
    lr, hr, _mask = fields()
    hr[:, :, :6] += 3.0
    losses = {}
    for part, rows in (("upper", slice(0, 6)), ("lower", slice(6, 12)), ("all", slice(0, 12))):
        mask = torch.zeros(hr.shape, dtype=torch.bool)
        mask[:, :, rows] = True
        torch.manual_seed(2)
        losses[part] = net.training_loss(lr, hr, mask)
    torch.testing.assert_close((losses["upper"] + losses["lower"]) / 2, losses["all"])
    area = torch.ones(3, 1, 12, 18)
    area[:, :, :6] = 3.0
    torch.manual_seed(2)
    weighted = net.training_loss(lr, hr, torch.ones(hr.shape, dtype=torch.bool), area)
    torch.testing.assert_close((3 * losses["upper"] + losses["lower"]) / 4, weighted)


class Nothing(nn.Module):
    """A denoiser that always says 0."""

    def forward(self, shown: Tensor, _told: Tensor) -> Tensor:
        return torch.zeros_like(shown[:, 1:])


def test_a_sample_without_a_value_has_no_loss() -> None:
    lr, hr, mask = fields()
    mask[1] = False
    losses = tiny("DDPM").training_loss(lr, hr, mask)
    assert losses[1] == 0
    assert losses.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_calibration_makes_what_is_modelled_as_large_as_the_noise(name: str) -> None:
    net = tiny(name, channels=2)
    lr, hr, mask = fields(2)
    hr[:, 1] += 0.9 * torch.randn(hr[:, 1].shape)
    rubbish = torch.where(mask, hr, 1e6)
    net.calibrate([(lr[:2], rubbish[:2], mask[:2]), (lr[2:], rubbish[2:], mask[2:])])
    for channel in (0, 1):
        x0 = net.modelled(bicubic(lr, 2), rubbish, mask)[:, channel]
        assert x0[mask[:, channel]].square().mean() == pytest.approx(1.0, rel=1e-4)
        assert (x0[~mask[:, channel]] == 0).all()
    torch.testing.assert_close(
        torch.where(mask, net.field(bicubic(lr, 2), net.modelled(bicubic(lr, 2), hr, mask)), 0.0),
        torch.where(mask, hr, 0.0),
    )
    assert "residual_std" in net.state_dict()


def test_without_a_residual_nothing_is_divided_by_zero() -> None:
    net = tiny("DDPM")
    lr = torch.zeros(1, 1, 4, 4)
    net.calibrate([(lr, torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8, dtype=torch.bool))])
    assert net.residual_std.item() == 1.0


def test_an_untrained_network_that_predicts_the_field_says_bicubic() -> None:
    net = build(
        "DDPM", in_channels=1, out_channels=1, scale=3, params=SMALL_UNET | {"prediction": "x0"}
    )
    lr = torch.randn(2, 1, 5, 5)
    assert torch.equal(net.eval()(lr), bicubic(lr, 3))


@pytest.mark.parametrize(("name", "sampler"), SAMPLERS)
def test_a_seed_gives_the_same_sample_in_any_batch(name: str, sampler: str) -> None:
    net = tiny(name).eval()
    lr = torch.randn(3, 1, 5, 6)
    together = net.sample(lr, 4, seeded(7, 8, 9), sampler=sampler)
    assert torch.equal(together, net.sample(lr, 4, seeded(7, 8, 9), sampler=sampler))
    alone = net.sample(lr[1:2], 4, seeded(8), sampler=sampler)
    torch.testing.assert_close(together[1:2], alone)
    assert (together[:1] - net.sample(lr[:1], 4, seeded(8), sampler=sampler)).abs().max() > 1e-3
    one = net.sample(lr, 4, torch.Generator().manual_seed(7), sampler=sampler)
    assert torch.equal(one, net.sample(lr, 4, torch.Generator().manual_seed(7), sampler=sampler))


def test_torch_seed_decides_where_no_generator_is_given() -> None:
    net = tiny("DDPM").eval()
    lr = torch.randn(1, 1, 4, 4)
    torch.manual_seed(3)
    first = net.sample(lr, 2)
    assert not torch.equal(first, net.sample(lr, 2))
    torch.manual_seed(3)
    assert torch.equal(first, net.sample(lr, 2))


@pytest.mark.parametrize("schedule", [linear_schedule(1000, 1e-4, 0.02), cosine_schedule(1000)])
def test_variance_is_preserved_and_ends_in_noise(schedule: list[Any]) -> None:
    for rates in schedule:
        assert rates.signal**2 + rates.noise**2 == pytest.approx(1.0)
    signals = [rates.signal for rates in schedule]
    assert signals == sorted(signals, reverse=True)
    assert schedule[0].noise < 0.02
    assert schedule[-1].signal < 0.01


def test_schedules_against_their_papers() -> None:
    # Ho et al. 2020: beta from 1e-4 to 0.02; Nichol & Dhariwal 2021, equation 17.
    linear, cosine = linear_schedule(1000, 1e-4, 0.02), cosine_schedule(1000)
    assert linear[0].signal ** 2 == pytest.approx(1 - 1e-4)
    assert linear[-1].signal ** 2 / linear[-2].signal ** 2 == pytest.approx(1 - 0.02)
    assert cosine[499].signal ** 2 == pytest.approx(
        math.cos((0.5 + 0.008) / 1.008 * math.pi / 2) ** 2,
        rel=0.01,
    )


def test_sr3_draws_levels_between_the_steps() -> None:
    net = tiny("SR3", timesteps=4)
    torch.manual_seed(0)
    level = net.random_levels(4000, torch.device("cpu"))
    signal = level.signal.flatten()
    assert torch.equal(level.told, signal)
    torch.testing.assert_close(signal**2 + level.noise.flatten() ** 2, torch.ones(4000))
    edges = [1.0, *net.signal_rates.tolist()]
    for upper, lower in pairwise(edges):
        inside = signal[(signal <= upper) & (signal > lower)]
        # Uniform between two steps, each of which is as likely as the others.
        assert len(inside) == pytest.approx(1000, rel=0.15)
        assert inside.mean().item() == pytest.approx(
            (upper + lower) / 2, abs=0.05 * (upper - lower)
        )


def test_ddpm_is_told_the_step() -> None:
    net = tiny("DDPM", timesteps=5)
    level = net.random_levels(1000, torch.device("cpu"))
    assert level.told.dtype == torch.int64
    assert level.told.unique().tolist() == [0, 1, 2, 3, 4]
    assert torch.equal(level.signal.flatten(), net.signal_rates[level.told])


def test_resshift_kernel_begins_at_hr_and_ends_at_lr_with_noise() -> None:
    net = tiny("ResShift")
    kappa = 2.0
    lr, hr, _mask = fields()
    up = bicubic(lr, 2)
    net.residual_std.fill_(0.1)
    x0 = net.modelled(up, hr, torch.ones(hr.shape, dtype=torch.bool))
    torch.manual_seed(0)
    noise = torch.randn(2000, *x0.shape)

    def chain(step: int) -> Tensor:
        """Draw x_t as a field: q(x_t | x_0, y), equation 2."""
        rates = net.rates[step]
        return net.field(up, rates.signal * x0 + rates.noise * noise)

    first, last = chain(0), chain(-1)
    std = kappa * 0.1
    assert (first.mean(0) - hr).abs().max() < 0.01
    assert first.std(0).mean() < 0.03 * std
    assert (last.mean(0) - up).abs().max() < 0.04
    assert last.std(0).mean().item() == pytest.approx(std, rel=0.02)
    # What is left of the residual at the end is a hundredth.
    assert net.rates[-1].signal == pytest.approx(0.01)


def test_resshift_schedule() -> None:
    etas = shifting_schedule(15, kappa=2.0, power=0.3)
    assert etas == sorted(etas)
    assert etas[0] == pytest.approx(0.0004)
    assert etas[-1] == pytest.approx(0.99)
    # Equation 10: the square root grows by powers of one factor.
    growth = math.log(etas[-1] / etas[0])
    assert math.log(etas[7] / etas[0]) == pytest.approx(growth * 0.5**0.3)


@pytest.mark.parametrize("name", ["DDPM", "ResShift"])
def test_ancestral_step_is_the_posterior_of_the_chain(name: str) -> None:
    """Regress x_s on x_t and x_0 over many chains; compare with the step that is taken."""
    net = tiny(name, timesteps=15) if name == "DDPM" else tiny(name)
    s, t = 6, 11
    earlier, later = net.rates[s], net.rates[t]
    torch.manual_seed(0)
    x0, first, second = torch.randn(3, 200_000).double().unbind()
    kept = net.kept(earlier, later)
    x_s = earlier.signal * x0 + earlier.noise * first
    added = math.sqrt(later.noise**2 - (kept * earlier.noise) ** 2)
    # The chain from s to t: what deviates from the mean is carried on, and noise comes in.
    x_t = later.signal * x0 + kept * earlier.noise * first + added * second
    given = torch.stack([x_t, x0], dim=1)
    slope = torch.linalg.lstsq(given, x_s[:, None]).solution.flatten()
    spread = (x_s - given @ slope).std().item()
    known = kept * earlier.noise**2 / later.noise**2
    assert slope[0].item() == pytest.approx(known, abs=0.01)
    assert slope[1].item() == pytest.approx(earlier.signal - known * later.signal, abs=0.01)
    assert spread == pytest.approx(
        math.sqrt(earlier.noise**2 - known**2 * later.noise**2), rel=0.01
    )
    if name == "ResShift":  # equation 7
        eta_s, eta_t = 1 - earlier.signal, 1 - later.signal
        assert known == pytest.approx(eta_s / eta_t)
        assert spread == pytest.approx(2 * math.sqrt(eta_s / eta_t * (eta_t - eta_s)), rel=0.01)


def covariance(size: int) -> Tensor:
    """Return [n, n]: of a field whose neighbours resemble each other."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    points = torch.stack([y.flatten(), x.flatten()], dim=1).double()
    return 0.8 * torch.exp(-torch.cdist(points, points).square() / 8) + 0.02 * torch.eye(size**2)


class BestDenoiser(nn.Module):
    """The posterior mean of a Gaussian field, in closed form, in place of a trained network.

    In units of `residual_std`, the residual is 0.5 * `shown` condition + a field of `covariance`.
    """

    def __init__(self, model: DiffusionModel, size: int) -> None:
        super().__init__()
        self.model = [model]  # not registered: it would contain itself
        self.values, self.vectors = torch.linalg.eigh(covariance(size))

    def forward(self, shown: Tensor, told: Tensor) -> Tensor:
        (model,) = self.model
        rates = model.rates[
            int(told[0])
            if told.dtype == torch.int64
            else int((model.signal_rates - told[0]).abs().argmin())
        ]
        total = math.sqrt(rates.signal**2 + rates.noise**2)
        mean, x = 0.5 * shown[:, :1].double(), shown[:, 1:].double() * total
        gain = rates.signal * self.values / (rates.signal**2 * self.values + rates.noise**2)
        away = (x - rates.signal * mean).flatten(1) @ self.vectors
        x0 = mean + ((away * gain) @ self.vectors.T).reshape(x.shape)
        epsilon = (x - rates.signal * x0) / rates.noise
        wanted = {
            "epsilon": epsilon,
            "x0": x0,
            "v": (rates.signal * epsilon - rates.noise * x0) / total,
        }
        return wanted[model.prediction].float()


@pytest.mark.broad
@pytest.mark.parametrize(
    ("name", "params", "sampler"),
    [
        *((name, params, "ddim" if number % 2 else "ancestral")
          for number, (name, params) in enumerate(CHAINS)),
        *(("DDPM", {"schedule": "cosine", "prediction": prediction}, "ddim")
          for prediction in ("epsilon", "x0", "v")),
        *(("DDPM", {"schedule": "linear", "prediction": prediction}, "ancestral")
          for prediction in ("epsilon", "x0", "v")),
    ],
)  # fmt: skip
def test_a_perfect_network_draws_from_the_posterior(
    name: str, params: dict[str, Any], sampler: str
) -> None:
    size, members = 6, 4000
    net = tiny(name, timesteps=200, **params).eval()
    net.denoiser = BestDenoiser(net, size)
    net.residual_std.fill_(0.3)
    torch.manual_seed(5)
    lr = torch.randn(1, 1, size // 2, size // 2)
    drawn = net.sample(
        lr.expand(members, -1, -1, -1), 200, torch.Generator().manual_seed(0), sampler=sampler
    )
    up = bicubic(lr, 2)
    mean, std = (1 + 0.3 * 0.5) * up[0, 0], 0.3 * math.sqrt(0.82)
    assert (drawn.mean(0)[0] - mean).abs().max() < 0.1 * std
    found = drawn.flatten(1).double().T.cov() / 0.3**2
    assert found.diagonal().sqrt().mean().item() == pytest.approx(math.sqrt(0.82), rel=0.03)
    # Heartbeats belong together as they should.
    assert (found - covariance(size)).abs().max() < 0.1


@pytest.mark.parametrize("name", ["ResShift", "ReMD"])
def test_runs_that_do_not_say_what_their_network_predicts_predict_the_field(name: str) -> None:
    """Those of before there was a choice; new runs predict the mixture."""
    assert tiny(name).prediction == "x0"
    assert resolve_parameters(card(name), {})["prediction"] == "v"


@pytest.mark.parametrize(
    ("name", "prediction"),
    [("DDPM", "epsilon"), ("DDPM", "x0"), ("DDPM", "v"), ("ResShift", "x0"), ("ResShift", "v")],
)
def test_the_field_follows_from_what_is_learnt(name: str, prediction: str) -> None:
    net = tiny(name, timesteps=200, prediction=prediction)
    x0, noise = torch.randn(2, 3, 1, 4, 4, dtype=torch.float64)
    for time in (0, 77, 198):
        level = net.levels(torch.full((3,), time))
        x = level.signal * x0 + level.noise * noise
        found = net.x0_behind(x, net.wanted(x0, noise, level), level)
        torch.testing.assert_close(found, x0, rtol=1e-4, atol=1e-4)
    # Next to a field with hardly any noise on it, what a network says has hardly any weight.
    first = net.levels(torch.zeros(1, dtype=torch.long))
    change = net.x0_behind(x, torch.ones_like(x), first) - net.x0_behind(x, 0 * x, first)
    assert change.abs().max() < 0.1 or prediction == "x0"


@pytest.mark.parametrize("power", [10.0, 1.0, 0.1, 0.01])
@pytest.mark.parametrize(("name", "steps"), [("DDPM", 32), ("SR3", 32), ("ResShift", 15)])
def test_the_solver_keeps_the_spread_of_every_scale_with_few_steps(
    name: str, steps: int, power: float
) -> None:
    """That of a perfect network: of a residual that is strong, and of one that is weak."""
    net = tiny(name, timesteps=1000, sampling_steps=steps, prediction="x0")
    assert (net.eval().sampler, len(net.rates)) == ("dpm_solver", 1000)

    class Best(nn.Module):
        def forward(self, shown: Tensor, told: Tensor) -> Tensor:
            if name == "SR3":
                told = (net.signal_rates - told.flatten()[:1]).abs().argmin().expand(len(shown))
            level = net.levels(told.flatten())
            total = level.signal**2 + level.noise**2
            gain = level.signal * power / (level.signal**2 * power + level.noise**2)
            return gain * total.sqrt() * shown[:, 1:]

    net.denoiser = Best()
    drawn = net.sample(torch.zeros(8, 1, 16, 16), steps, seeded(*range(8)))
    # ResShift's chain ends with noise of 0.04, which a hundredth of the variance hardly tops.
    near = 0.09 if (name, power) == ("ResShift", 0.01) else 0.03
    assert drawn.std().item() == pytest.approx(math.sqrt(power), rel=near)
    for others in ("ddim", "ancestral"):
        fewer = net.sample(torch.zeros(8, 1, 16, 16), steps, seeded(*range(8)), sampler=others)
        assert fewer.std().item() < 0.98 * min(math.sqrt(power), drawn.std().item())


@given(st.integers(2, 300), st.data())
def test_times_even_in_the_noise_are_each_taken_once(timesteps: int, data: st.DataObject) -> None:
    steps = data.draw(st.integers(1, timesteps))
    times = even_times(cosine_schedule(timesteps), steps)
    assert len(times) == steps
    assert times[0] == timesteps - 1
    assert times == sorted(set(times), reverse=True)
    assert times[-1] == 0 or steps == 1


class Pointwise(nn.Module):
    """A small network that looks at one point at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 1)
        )

    def forward(self, shown: Tensor, told: Tensor) -> Tensor:
        level = (told / TRAINED_STEPS)[:, None, None, None].expand_as(shown[:, :1])
        given = torch.cat([shown, level, (math.pi / 2 * level).cos()], dim=1)
        found: Tensor = self.layers(given.movedim(1, -1)).movedim(-1, 1)
        return found


TRAINED_STEPS = 40


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DDPM", "ResShift"])
def test_a_trained_network_recovers_mean_and_spread(name: str) -> None:
    net = tiny(name, timesteps=TRAINED_STEPS)
    net.denoiser = Pointwise()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    mask = torch.ones(256, 1, 4, 4, dtype=torch.bool)

    def pairs() -> tuple[Tensor, Tensor]:
        """Fields whose residual is 0.4 of the interpolated field and noise of 0.25."""
        lr = torch.randn(256, 1, 2, 2)
        return lr, 1.4 * bicubic(lr, 2) + 0.25 * torch.randn(256, 1, 4, 4)

    net.calibrate([(*pairs(), mask)])
    steps = 1500
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.01 * (1 - step / steps)
        optimizer.zero_grad()
        net.training_loss(*pairs(), mask).mean().backward()
        optimizer.step()
    lr = torch.randn(1, 1, 2, 2)
    for sampler in ("ddim", "ancestral"):
        drawn = net.eval().sample(lr.expand(2000, -1, -1, -1), TRAINED_STEPS, sampler=sampler)
        assert (drawn.mean(0) - 1.4 * bicubic(lr, 2)[0]).abs().max() < 0.05
        assert drawn.std(0).mean().item() == pytest.approx(0.25, rel=0.15)


@pytest.mark.parametrize("name", NAMES)
def test_tiles_see_the_noise_of_the_whole_field(name: str) -> None:
    net = tiny(name).eval()
    lr = torch.randn(2, 1, 6, 8)
    seen = []

    def halves(network: Any, shown: Tensor) -> Tensor:
        seen.append(shown.shape)
        return torch.cat([network(shown[..., :8]), network(shown[..., 8:])], dim=-1)

    drawn = net.sample(lr, 3, seeded(1, 2), tiled=halves)
    # With the correction, or twice a step.
    assert seen == [(2, 2, 12, 16)] * (6 if name in ("ReMD", "FlowMatching") else 3)
    # A network that looks at single points cannot tell tiles from the whole.
    if isinstance(net, ReMD):
        nn.init.zeros_(net.correction.project.weight)
    net.denoiser = OnePoint()
    torch.testing.assert_close(
        net.sample(lr, 3, seeded(1, 2), tiled=halves), net.sample(lr, 3, seeded(1, 2))
    )
    assert drawn.shape == (2, 1, 12, 16)


class OnePoint(nn.Module):
    """A denoiser without any context."""

    def forward(self, shown: Tensor, _told: Tensor) -> Tensor:
        return (0.3 * shown[:, :1] + 0.5 * shown[:, 1:]).tanh()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_checkpointing_changes_no_gradient_with_the_same_noise(name: str, dropout: float) -> None:
    net = tiny(name, dropout=dropout, attn_res=[32]).train()
    lr, hr, mask = fields()
    found = []
    for enabled in (False, True):
        assert set_gradient_checkpointing(net, enabled)
        net.zero_grad()
        torch.manual_seed(3)
        net.training_loss(lr, hr, mask).mean().backward()
        found.append([p.grad.clone() for p in net.parameters() if p.grad is not None])
    assert len(found[0]) == len(found[1]) == len(list(net.parameters()))
    for plain, checkpointed in zip(*found, strict=True):
        assert plain.abs().max() > 0
        torch.testing.assert_close(plain, checkpointed)


@pytest.mark.parametrize("name", ["DDPM", "SR3", "ResShift"])
def test_checkpointing_computes_no_large_convolution_again(name: str) -> None:
    net = tiny(name, attn_res=[32]).train()
    assert set_gradient_checkpointing(net, True)
    large = [
        part for part in net.modules() if isinstance(part, nn.Conv2d) and part.kernel_size == (3, 3)
    ]
    computed: list[nn.Module] = []
    for part in large:
        part.register_forward_hook(lambda part, _inputs, _output: computed.append(part))
    net.training_loss(*fields()).mean().backward()
    assert len(computed) == len(large)


@pytest.mark.parametrize("name", NAMES)
def test_autocast_bfloat16(name: str) -> None:
    net = tiny(name, attn_res=[32])
    lr, hr, mask = fields()
    losses = []
    for enabled in (False, True):
        torch.manual_seed(4)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            losses.append(net.training_loss(lr, hr, mask))
    losses[1].sum().backward()
    assert losses[1].dtype == torch.float32
    torch.testing.assert_close(*losses, rtol=0.05, atol=0.05)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        drawn = net.eval().sample(lr, 3, seeded(1, 2, 3))
    assert drawn.dtype == torch.float32
    torch.testing.assert_close(drawn, net.sample(lr, 3, seeded(1, 2, 3)), rtol=0.1, atol=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_own_state_dict_round_trips_strictly(name: str) -> None:
    net, other = tiny(name), tiny(name)
    nn.init.normal_(other.denoiser.final_conv.block[-1].weight)  # type: ignore
    net.residual_std.fill_(0.2)
    other.load_state_dict(net.state_dict(), strict=True)
    lr = torch.randn(1, 1, 4, 4)
    assert torch.equal(net.eval().sample(lr, 2, seeded(1)), other.eval().sample(lr, 2, seeded(1)))


def test_published_weights_carry_a_prefix_and_a_schedule() -> None:
    net, other = tiny("SR3"), tiny("SR3")
    nn.init.normal_(other.denoiser.final_conv.block[-1].weight)  # type: ignore
    weights = {f"denoise_fn.{name}": part for name, part in net.denoiser.state_dict().items()}
    load_reference(other, weights | {"betas": torch.zeros(2000)})
    for name, part in other.denoiser.state_dict().items():
        assert torch.equal(part, weights[f"denoise_fn.{name}"])


@pytest.mark.parametrize("name", NAMES)
def test_more_inputs_than_outputs_and_never_fewer(name: str) -> None:
    net = build(name, in_channels=3, out_channels=2, scale=2, params=SMALL_UNET)
    lr, hr = torch.randn(1, 3, 4, 4), torch.randn(1, 2, 8, 8)
    assert net.training_loss(lr, hr, torch.ones(hr.shape, dtype=torch.bool)).shape == (1,)  # type: ignore
    assert net.eval().sample(lr, 2).shape == hr.shape  # type: ignore
    with pytest.raises(UsageError, match="must include all 2 output channels"):
        build(name, in_channels=1, out_channels=2, scale=2, params=SMALL_UNET)
