"""SR3: super-resolution by iterative refinement (Saharia et al. 2021, arXiv:2104.07636)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from srwizard.models.denoiser import Layout, NoiseLevelDenoiser
from srwizard.models.diffusion import DiffusionModel, Level, cosine_schedule, linear_schedule


class SR3(DiffusionModel):
    """A U-Net that is told the noise level, a continuous quantity (section 2.1, after WaveGrad).

    It is the square root of alpha-bar. As the network learns all levels, the steps of the
    sampler may be others than those of the training.

    Args:
        in_channels: channels of the low-resolution input.
        out_channels: channels of the super-resolved output.
        scale: ratio HR/LR.
        inner_channel, norm_groups, channel_mults, attn_res, res_blocks, dropout, image_size: of
            the U-Net, see `denoiser.Layout`.
        timesteps: steps of the forward process.
        schedule: "linear" or "cosine".
        prediction, target, sampler, sampling_steps, ensemble_members: see `DiffusionModel`.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        scale: int,
        inner_channel: int = 64,
        norm_groups: int = 16,
        channel_mults: Sequence[int] = (1, 2, 4, 8, 8),
        attn_res: Sequence[int] = (16,),
        res_blocks: int = 2,
        dropout: float = 0.0,
        image_size: int = 128,
        timesteps: int = 2000,
        schedule: str = "cosine",
        prediction: str = "v",
        target: str = "residual",
        sampler: str = "ddim",
        sampling_steps: int = 50,
        ensemble_members: int = 8,
    ) -> None:
        layout = Layout(
            inner_channel, norm_groups, channel_mults, attn_res, res_blocks, dropout, image_size
        )
        # Betas of 1e-6 ... 1e-2, which belong to 2000 steps.
        rates = (
            cosine_schedule(timesteps)
            if schedule == "cosine"
            else linear_schedule(timesteps, 0.002 / timesteps, 20 / timesteps)
        )
        super().__init__(
            NoiseLevelDenoiser(in_channels + out_channels, out_channels, layout),
            rates,
            out_channels=out_channels,
            scale=scale,
            prediction=prediction,
            target=target,
            sampler=sampler,
            sampling_steps=sampling_steps,
            ensemble_members=ensemble_members,
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
