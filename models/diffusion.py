"""What diffusion models share: how noise is added, how it is taken off, what is learnt.

A forward process mixes a field with noise, x_t = signal_t * x_0 + noise_t * epsilon, for
t = 0 ... T - 1; a network learns to undo it and a sampler applies the network from T - 1 down to 0,
given the low-resolution field as interpolated bicubically to the high-resolution grid. By default
x_0 is what that interpolation misses, divided by its standard deviation: noise and signal are then
of one size, whatever the variable, and a network that knows nothing yet says 0.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from srwizard.models.noise_schedule import Rates, even_times, sampling_times
from srwizard.models.padding import across, within
from srwizard.models.upsampling import bicubic

Network = Callable[[Tensor], Tensor]
Batch = tuple[Tensor, Tensor, Tensor]
"""LR, HR and mask, as for `training_loss`."""
Generators = torch.Generator | Sequence[torch.Generator] | None


@dataclass(frozen=True)
class Condition:
    """What a field is drawn for, or learnt from.

    Attributes:
        lr: [B, C, h, w], normalised.
        up: [B, C, H, W], the same interpolated.
        mask: [B, out_channels, H, W], False on land and in gaps; None: there are none.
        tiled: what applies a network [B, C, H, W] -> [B, out_channels, H, W] tile by tile; None:
            it is applied to all.
        seam: of a field that goes round the globe, by how many columns `across` has widened it.
    """

    lr: Tensor
    up: Tensor
    mask: Tensor | None = None
    tiled: Callable[[Network, Tensor], Tensor] | None = None
    seam: int = 0

    def apply(self, network: Network, shown: Tensor) -> Tensor:
        """Return what a network makes of [B, C, H, W], whole or tile by tile."""
        return network(shown) if self.tiled is None else self.tiled(network, shown)

    def around(self, values: Tensor) -> Tensor:
        """Return [B, C, H, W] with the columns of the seam as what they are copies of."""
        return across(within(values, self.seam), self.seam)


@dataclass(frozen=True)
class Level:
    """The shares of signal and noise of each sample of a batch.

    Attributes:
        signal, noise: [B, 1, 1, 1].
        told: what the network is told of it, [B].
    """

    signal: Tensor
    noise: Tensor
    told: Tensor

    @property
    def size(self) -> Tensor:
        """The standard deviation [B, 1, 1, 1] of x_t, where that of x_0 is 1."""
        return (self.signal**2 + self.noise**2).sqrt()


class DiffusionModel(nn.Module, ABC):
    """A diffusion model; a subclass gives the network, the schedule and how it is told the time.

    Attributes:
        denoiser: `denoiser(x, told) -> prediction`; `x` [B, in + out, H, W] holds the interpolated
            low-resolution channels first, then the noisy field.
        residual_std: [out_channels, 1, 1], standard deviation of what bicubic interpolation
            misses; 1 until `calibrate` is called.
        ensemble_members: how many samples an evaluation is to draw of each field.
        skip_outside: whether `hr` is what a skip outside of the network misses: that is then
            modelled, whatever `target` says.
        guide: maps the low-resolution input to what the condition is made of; None: it is that.
        uses_mask: whether `sample` should be told where there is land.

    Args:
        denoiser: see above.
        rates: of each time step.
        out_channels: the leading input channels are those that are super-resolved.
        scale: ratio HR/LR.
        prediction: what the network predicts: "epsilon", the noise; "x0", the field; "v", the
            mixture of Salimans & Ho (2022, arXiv:2202.00512, section 4), of signal and noise that
            are brought to unit variance together.
        target: "residual", to learn what bicubic interpolation misses, or "field", all of it.
        sampler: "dpm_solver", "ddim" or "ancestral", see `sample`.
        sampling_steps: calls of the network for one sample, unless `sample` is told otherwise.
        ensemble_members: see above.
    """

    uses_mask: ClassVar[bool] = False
    residual_std: Tensor
    signal_rates: Tensor
    noise_rates: Tensor

    def __init__(
        self,
        denoiser: nn.Module,
        rates: Sequence[Rates],
        *,
        out_channels: int,
        scale: int,
        prediction: str,
        target: str,
        sampler: str,
        sampling_steps: int,
        ensemble_members: int,
    ) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.rates = tuple(rates)
        self.out_channels = out_channels
        self.scale = scale
        self.prediction = prediction
        self.target = target
        self.sampler = sampler
        self.sampling_steps = sampling_steps
        self.ensemble_members = ensemble_members
        self.skip_outside = False
        self.guide: nn.Module | None = None
        self.register_buffer("residual_std", torch.ones(out_channels, 1, 1))
        for name in ("signal", "noise"):
            values = torch.tensor([getattr(rate, name) for rate in rates])
            self.register_buffer(f"{name}_rates", values, persistent=False)

    @abstractmethod
    def told(self, times: Tensor) -> Tensor:
        """Return what the network is told at time steps [B]."""

    def random_levels(self, count: int, device: torch.device) -> Level:
        """Draw the noise levels of a batch for training."""
        return self.levels(torch.randint(len(self.rates), (count,), device=device))

    def kept(self, earlier: Rates, later: Rates) -> float:
        """Return by how much a deviation at the earlier step is multiplied until the later one."""
        return later.signal / earlier.signal

    def levels(self, times: Tensor) -> Level:
        """Return the levels at time steps [B]."""
        signal, noise = (
            rates[times][:, None, None, None] for rates in (self.signal_rates, self.noise_rates)
        )
        return Level(signal, noise, self.told(times))

    def forward(self, lr: Tensor) -> Tensor:
        """Map [B, C, h, w] to one sample [B, out_channels, H, W], in the default steps."""
        return self.sample(lr)

    def training_loss(
        self, lr: Tensor, hr: Tensor, mask: Tensor, area: Tensor | None = None
    ) -> Tensor:
        """Return the loss [B] of each sample at a random noise level.

        It is the mean square over the points with a value of a channel, then the mean over
        channels. Where there is no value, the network is shown the interpolated field instead:
        what stands there in `hr` has no influence.

        Args:
            lr: [B, C, h, w], normalised.
            hr: [B, out_channels, H, W], normalised.
            mask: [B, out_channels, H, W], True where `hr` has a value.
            area: [B, 1, H, W], relative areas of the grid points; None: all the same.
        """
        given = self.condition(lr, mask)
        x0 = self.modelled(given.up, hr, mask)
        level = self.random_levels(len(lr), lr.device)
        noise = torch.randn_like(x0)
        x = level.signal * x0 + level.noise * noise
        found = self.predicted(given, x, level)
        error = torch.where(mask, found - self.wanted(x0, noise, level), 0.0).square()
        weight = mask.float() if area is None else torch.where(mask, area, 0.0)
        total = weight.sum(dim=(2, 3))
        mean = (error * weight).sum(dim=(2, 3)) / torch.where(total > 0, total, 1.0)
        return mean.mean(dim=1)

    def condition(
        self,
        lr: Tensor,
        mask: Tensor | None,
        tiled: Callable[[Network, Tensor], Tensor] | None = None,
        seam: int = 0,
    ) -> Condition:
        """Return what a field is drawn for; the arguments are those of `sample`."""
        seen = lr if self.guide is None else self.guide(lr)
        return Condition(seen, bicubic(seen, self.scale), mask, tiled, seam)

    def noise_for(self, given: Condition, generator: Generators) -> Tensor:
        """Draw noise [B, out_channels, H, W]; columns that are there twice have the same."""
        height, width = given.up.shape[-2:]
        shape = (len(given.up), self.out_channels, height, width - 2 * given.seam)
        return across(normal_noise(shape, generator, given.up.device), given.seam)

    def wanted(self, x0: Tensor, noise: Tensor, level: Level) -> Tensor:
        """Return what the network is to predict where `x0` and `noise` are mixed."""
        match self.prediction:
            case "epsilon":
                return noise
            case "x0":
                return x0
        return (level.signal * noise - level.noise * x0) / level.size

    def modelled(self, up: Tensor, hr: Tensor, mask: Tensor) -> Tensor:
        """Return x_0 of normalised HR, neutral where `mask` is False."""
        if self.skip_outside:
            return torch.where(mask, hr.float(), 0.0) / self.residual_std
        base = up[:, : self.out_channels]
        if self.target == "field":
            return torch.where(mask, hr.float(), base)
        return torch.where(mask, hr.float() - base, 0.0) / self.residual_std

    def field(self, up: Tensor, x0: Tensor) -> Tensor:
        """Return normalised HR of x_0, the inverse of `modelled`."""
        if self.skip_outside:
            return self.residual_std * x0
        if self.target == "field":
            return x0
        return up[:, : self.out_channels] + self.residual_std * x0

    @torch.no_grad()
    def calibrate(self, batches: Iterable[Batch]) -> None:
        """Set `residual_std` from samples of the training split, given as for `training_loss`."""
        if self.target == "field" and not self.skip_outside:
            return
        squares = torch.zeros(self.out_channels, dtype=torch.float64)
        points = torch.zeros_like(squares)
        for lr, hr, mask in batches:
            missed = hr.float()
            if not self.skip_outside:
                missed = missed - bicubic(lr, self.scale)[:, : self.out_channels]
            squares += torch.where(mask, missed, 0.0).double().square().sum(dim=(0, 2, 3)).cpu()
            points += mask.sum(dim=(0, 2, 3)).cpu()
        std = (squares / points.clamp(min=1)).sqrt()
        std[std == 0] = 1.0
        self.residual_std.copy_(std[:, None, None])

    @torch.no_grad()
    def sample(
        self,
        lr: Tensor,
        steps: int | None = None,
        generator: Generators = None,
        *,
        sampler: str | None = None,
        tiled: Callable[[Network, Tensor], Tensor] | None = None,
        mask: Tensor | None = None,
        seam: int = 0,
    ) -> Tensor:
        """Draw one high-resolution field for each low-resolution one.

        "ancestral" is the reverse chain of the process, which draws noise in every step; "ddim"
        (Song et al. 2021, arXiv:2010.02502, equation 12, with sigma 0) follows from the first
        noise alone. Both lose spread where steps are few, the more the smaller the scale: with 32
        of them, a perfect network and a residual of unit variance 13 and 7 % of the variance, of a
        scale with a hundredth of it 47 and 33 %. "dpm_solver" is DDIM with what the network sees
        extrapolated to the middle of the step, at times that are even in the log of the
        signal-to-noise ratio (DPM-Solver++ 2M, Lu et al. 2022, arXiv:2211.01095, algorithm 2):
        1 % too much on all scales.

        Args:
            lr: [B, C, h, w], normalised.
            steps: calls of the network; None: the model's own.
            generator: of the noise, or one for each sample, so that a sample does not depend on
                the batch that it is in; None: torch's own.
            sampler: None: the model's own.
            tiled: what applies a network [B, C, H, W] -> [B, out_channels, H, W] tile by tile;
                the noise is that of the whole field all the same. None: it is applied to all.
            mask: [B, out_channels, H, W], False where the result does not count; None: all does.
                Only a model with `uses_mask` looks at it.
            seam: HR columns on either side that `across` has added, of a field that goes round the
                globe: they stay what they are copies of, in every step.

        Returns:
            [B, out_channels, H, W], normalised.

        Raises:
            UsageError: more steps than there are.
        """
        chosen, count = sampler or self.sampler, steps or self.sampling_steps
        solves = chosen == "dpm_solver"
        times = even_times(self.rates, count) if solves else sampling_times(len(self.rates), count)
        given = self.condition(lr, mask, tiled, seam)
        noise = partial(self.noise_for, given, generator)
        x = self.rates[times[0]].noise * noise()
        before: tuple[Tensor, Rates] | None = None
        for time, following in pairwise(times):
            x0 = self._x0(given, x, time)
            now, then = self.rates[time], self.rates[following]
            seen = x0 if before is None else _halfway(x0, now, then, *before)
            x = self._moved(x, seen, now, then, noise if chosen == "ancestral" else None)
            before = (x0, now) if solves else None
            del x0, seen  # not to be held beside what the network needs in the next step
        return self.field(given.up, self._x0(given, x, times[-1]))

    def _moved(
        self, x: Tensor, x0: Tensor, now: Rates, then: Rates, fresh: Callable[[], Tensor] | None
    ) -> Tensor:
        """Return x_t at an earlier step, its noise kept or partly drawn again."""
        epsilon = (x - now.signal * x0) / now.noise
        if fresh is None:
            return then.signal * x0 + then.noise * epsilon
        # The posterior of the chain given x_t and x_0: what x_t knows of the noise, and the rest.
        known = self.kept(then, now) * then.noise**2 / now.noise
        rest = math.sqrt(max(then.noise**2 - known**2, 0.0))
        return then.signal * x0 + known * epsilon + rest * fresh()

    def _x0(self, given: Condition, x: Tensor, time: int) -> Tensor:
        """Return x_0 as the network sees it behind x_t."""
        level = self.levels(torch.full((len(x),), time, device=x.device))
        return given.around(self.x0_behind(x, self.predicted(given, x, level), level))

    def x0_behind(self, x: Tensor, found: Tensor, level: Level) -> Tensor:
        """Return x_0 by what the network found in x_t: the inverse of `wanted`."""
        match self.prediction:
            case "epsilon":
                return (x - level.noise * found) / level.signal
            case "x0":
                return found
        return (level.signal * x / level.size - level.noise * found) / level.size

    def predicted(self, given: Condition, x: Tensor, level: Level) -> Tensor:
        """Return what the network says of x_t, in float32."""

        def network(shown: Tensor) -> Tensor:
            found: Tensor = self.denoiser(shown, level.told)
            return found.float()

        return given.apply(network, self._shown(given.up, x, level))

    def _shown(self, up: Tensor, x: Tensor, level: Level) -> Tensor:
        """Return what the network sees: the condition, and x_t brought to unit variance."""
        return torch.cat([up, x / level.size], dim=1)


def _halfway(x0: Tensor, now: Rates, then: Rates, earlier_x0: Tensor, earlier: Rates) -> Tensor:
    """Return what the network would see of x_0 halfway to `then`, by what it saw `earlier`."""
    ahead, past = then.log_ratio - now.log_ratio, now.log_ratio - earlier.log_ratio
    return x0 + ahead / (2 * past) * (x0 - earlier_x0)


def normal_noise(shape: Sequence[int], generator: Generators, device: torch.device) -> Tensor:
    """Draw normal noise [B, C, H, W] where its generator lives, so that it is the same anywhere.

    Without one, that is the device. With one on the CPU, as a seed needs it that gives the same
    sample on every device, a GPU copies it meanwhile: the host goes on to draw the next.
    """
    if generator is None:
        return torch.randn(*shape, device=device)
    if isinstance(generator, torch.Generator):
        drawn = torch.randn(*shape, generator=generator, device=generator.device)
    else:
        drawn = torch.stack(
            [torch.randn(*shape[1:], generator=one, device=one.device) for one in generator]
        )
    if drawn.device.type == "cpu" and device.type == "cuda":
        return drawn.pin_memory().to(device, non_blocking=True)
    return drawn.to(device)
