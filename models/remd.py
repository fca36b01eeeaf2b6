"""ReMD: diffusion with a multiscale correction of the residual (CVPR 2026, arXiv:2603.00149).

At each step ResShift's guess of the field is corrected by a multigrid V-cycle, which is shown what
the guess misses: the low-resolution field, as the mean of blocks, and what fields of fluids are
like. Few steps are then enough.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.checkpointing import run_block
from srwizard.models.denoiser import TimeEmbedding, perceptron
from srwizard.models.diffusion import Batch, Condition, Level
from srwizard.models.fluid_residual import (
    BINS,
    block_means,
    fluid_residual,
    log_spectrum,
    spread,
)
from srwizard.models.resshift import ResShift
from srwizard.models.upsampling import bicubic
from srwizard.models.v_cycle import VCycle

STEP = 0.25
"""Share of the correction that is taken, times the share of the residual that is shifted."""
FIRST_WEIGHT = 0.2
"""Of what fields are like, next to the low-resolution field, in a sampler's first step; 1 in its
last one, when there is something to be judged."""


class Correction(nn.Module):
    """S: one V-cycle that is told the time, from a guess and its residual to a correction."""

    def __init__(self, channels: int, k: int, c: int, grid_levels: Sequence[int]) -> None:
        super().__init__()
        self.gradient_checkpointing: bool = False
        width = c * k * k
        self.embedding = perceptron(TimeEmbedding(width), width)
        self.lift = nn.Conv2d(2 * channels, width, 3, padding=1)
        self.cycle = VCycle(width, k, grid_levels, embedding=width)
        self.project = nn.Conv2d(width, channels, 3, padding=1)
        # Untrained it corrects nothing: the model is ResShift.
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(cast(Tensor, self.project.bias))

    def forward(self, shown: Tensor, told: Tensor) -> Tensor:
        """Map a guess and its residual [B, 2 C, H, W], at time steps [B], to [B, C, H, W]."""
        checkpointed = self.training and self.gradient_checkpointing
        embedding = self.embedding(told.flatten())
        x = run_block(self.cycle, self.lift(shown), embedding, checkpointed=checkpointed)
        return cast(Tensor, self.project(functional.gelu(x)))


class ReMD(ResShift):
    """ResShift whose guess is corrected in every step, in training and in sampling.

    Args:
        k: Legendre polynomials in each direction, of the correction.
        c: channels of k * k coefficients each; c * k * k is even.
        grid_levels: smoothing steps on each coarser grid, from fine to coarse.
        sampling_steps: see `DiffusionModel`.
        others: see `ResShift`.

    Attributes:
        log_power: [out_channels, BINS], the mean logarithm of the power of what is modelled, by
            wavenumber, see `log_spectrum`; that of white noise until `calibrate` is called.
    """

    log_power: Tensor
    uses_mask: ClassVar[bool] = True

    def __init__(
        self,
        *,
        k: int = 4,
        c: int = 4,
        grid_levels: Sequence[int] = (1, 1, 1),
        sampling_steps: int = 8,
        **others: Any,
    ) -> None:
        super().__init__(sampling_steps=sampling_steps, **others)
        self.correction = Correction(self.out_channels, k, c, grid_levels)
        self.register_buffer("log_power", torch.zeros(self.out_channels, BINS))

    @torch.no_grad()
    def calibrate(self, batches: Iterable[Batch]) -> None:
        """Set `residual_std` and `log_power` from samples of the training split.

        A field counts by its points with a value: one without any has no spectrum.
        """
        power = torch.zeros_like(self.log_power)
        points = torch.zeros_like(power[:, :1])

        def watched() -> Iterator[Batch]:
            nonlocal power, points
            for lr, hr, mask in batches:
                x0 = self.modelled(bicubic(lr, self.scale), hr, mask)
                there = mask.sum(dim=(2, 3))[..., None]
                power = power + (there * log_spectrum(x0, mask)).sum(0)
                points = points + there.sum(0)
                yield lr, hr, mask

        before = self.residual_std.clone()
        super().calibrate(watched())
        # The power was taken before the unit was known that it is counted in.
        in_unit = 2 * (before / self.residual_std).log()[:, :, 0]
        self.log_power.copy_(torch.where(points > 0, power / points.clamp(min=1) + in_unit, 0.0))

    def predicted(self, given: Condition, x: Tensor, level: Level) -> Tensor:
        """Return what the network says, its x_0 corrected where there are values."""
        found = super().predicted(given, x, level)
        x0 = self.x0_behind(x, found, level)
        mask = torch.ones_like(x0, dtype=torch.bool) if given.mask is None else given.mask
        seen = torch.where(mask, x0, 0.0)
        shown = torch.cat([seen, self.residual(given, seen.detach(), mask, level)], dim=1)
        change = given.apply(lambda part: self.correction(part, level.told).float(), shown)
        change = torch.where(mask, STEP * (1 - level.signal) * change, 0.0)
        return found + (change if self.prediction == "x0" else -level.size / level.noise * change)

    @torch.no_grad()
    def residual(self, given: Condition, x0: Tensor, mask: Tensor, level: Level) -> Tensor:
        """Return what a guess misses of LR's block means and of what fields are like.

        The latter is brought to the size of the former, and weighted by the time. Both are counted
        as x_0 is. With a skip outside of the network LR has been taken off already.
        """
        with torch.autocast(x0.device.type, enabled=False):
            anchor = given.up[:, : self.out_channels]
            means = block_means(self.field(given.up, x0), mask, self.scale)
            wanted = 0.0 if self.skip_outside else given.lr[:, : self.out_channels].float()
            there = block_means(torch.ones_like(x0), mask, self.scale) > 0
            missed = bicubic(torch.where(there, wanted - means, 0.0), self.scale)
            missed = torch.where(mask, missed / self.residual_std, 0.0)
            like = fluid_residual(x0, anchor, mask, self.log_power)
            size = spread(missed, mask) / spread(like, mask).clamp(min=1e-6)
            return missed + self.weight(level.told) * size * like

    def weight(self, told: Tensor) -> Tensor:
        """Return lambda [B, 1, 1, 1] at time steps [B]: `FIRST_WEIGHT` at the last one, 1 at 0."""
        angle = torch.pi * told.float() / (len(self.rates) - 1)
        return (FIRST_WEIGHT + (1 - FIRST_WEIGHT) * (1 + angle.cos()) / 2)[:, None, None, None]
