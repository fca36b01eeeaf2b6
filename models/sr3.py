"""SR3: super-resolution by iterative refinement (Saharia et al. 2021, arXiv:2104.07636)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from srwizard.models.ddpm import DDPM
from srwizard.models.denoiser import NoiseLevelDenoiser, NoiseLevelEmbedding
from srwizard.models.diffusion import Level


class SR3(DDPM):
    """DDPM that is told the noise level, a continuous quantity (section 2.1, after WaveGrad).

    It is the square root of alpha-bar. As the network learns all levels, the steps of the
    sampler may be others than those of the training.

    Args:
        norm_groups, channel_mults: of the U-Net, see `denoiser.Layout`.
        timesteps: steps of the forward process.
        others: see `DDPM`.
    """

    unet = NoiseLevelDenoiser
    embedding = NoiseLevelEmbedding
    first_beta = 0.002  # betas of 1e-6 ... 1e-2, which belong to 2000 steps

    def __init__(
        self,
        *,
        norm_groups: int = 16,
        channel_mults: Sequence[int] = (1, 2, 4, 8, 8),
        timesteps: int = 2000,
        **others: Any,
    ) -> None:
        super().__init__(
            norm_groups=norm_groups, channel_mults=channel_mults, timesteps=timesteps, **others
        )

    def told(self, times: Tensor) -> Tensor:
        """Return the share of the signal [B] at time steps [B]."""
        return self.signal_rates[times]

    def random_levels(self, count: int, device: torch.device) -> Level:
        """Draw levels between those of two neighbouring steps (algorithm 1 and section 2.4)."""
        times = torch.randint(len(self.rates), (count,), device=device)
        lower = self.signal_rates[times]
        upper = torch.where(times > 0, self.signal_rates[(times - 1).clamp(min=0)], 1.0)
        signal = lower + (upper - lower) * torch.rand(count, device=device)
        noise = ((1 - signal) * (1 + signal)).clamp(min=0).sqrt()
        return Level(signal[:, None, None, None], noise[:, None, None, None], signal)
