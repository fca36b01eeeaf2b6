"""ResShift: diffusion that shifts the residual (Yue et al. 2023, arXiv:2307.12348).

The forward chain does not end in pure noise but at the low-resolution field with noise on it, and
so needs few steps. The paper works on the latent fields of an autoencoder for photographs; here it
is the fields themselves.
"""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from srwizard.models.denoiser import Layout, TimeDenoiser
from srwizard.models.diffusion import DiffusionModel
from srwizard.models.noise_schedule import Rates
from srwizard.models.padding import pad_to_multiple
from srwizard.models.swin import CachedOrders, SwinBlock, run_blocks

LAST_ETA = 0.99
SMALLEST_NOISE = 0.04
LARGEST_FIRST_ETA = 0.001


def shifting_schedule(timesteps: int, kappa: float, power: float) -> list[float]:
    """Return eta_t, the share of the residual that is shifted, rising to 1 (equations 9 and 10).

    Its square root grows geometrically; `power` < 1 lets it grow quickly first. The first step
    adds hardly any noise.
    """
    first = min((SMALLEST_NOISE / kappa) ** 2, LARGEST_FIRST_ETA)
    span = max(timesteps - 1, 1)
    growth = math.log(LAST_ETA / first)
    return [first * math.exp(growth * (t / span) ** power) for t in range(timesteps)]


class WindowedAttention(nn.Module):
    """Two Swin transformer blocks, the second with shifted windows, on fields of any size."""

    def __init__(self, channels: int, num_heads: int, window_size: int) -> None:
        super().__init__()
        self.window_size = window_size
        self._orders = CachedOrders(window_size)
        self.blocks = nn.ModuleList(
            SwinBlock(channels, num_heads, window_size, mlp_ratio=4.0, shifted=shifted)
            for shifted in (False, True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        height, width = x.shape[-2:]
        padded = pad_to_multiple(x, self.window_size)
        attended = run_blocks(self.blocks, padded, self._orders.of(padded), checkpointed=False)
        return attended[..., :height, :width]


class ResShift(DiffusionModel):
    """A U-Net with windowed attention that predicts x_0 (section 2.2), or what it follows from.

    In the paper's terms x_t ~ N(x_0 + eta_t (y - x_0), kappa^2 eta_t I), with x_0 the HR field and
    y the interpolated LR one (equation 2). Here everything is counted from y, in units of the
    standard deviation of x_0 - y: then the share of the signal is 1 - eta_t.

    Args:
        in_channels: channels of the low-resolution input.
        out_channels: channels of the super-resolved output.
        scale: ratio HR/LR.
        inner_channel, norm_groups, channel_mults, attn_res, res_blocks, dropout, image_size: of
            the U-Net, see `denoiser.Layout`.
        num_heads: heads of the attention, divide the channels of every level that has it.
        window_size: side of its windows.
        timesteps: steps of the forward process.
        kappa: strength of the noise.
        power: of the schedule, see `shifting_schedule`.
        prediction: "x0", as in the paper and in older runs; "v", see `DiffusionModel`,
            which leaves less of the field to the network the less noise there is, and so keeps
            what is fine (Karras et al. 2022, arXiv:2206.00364, section 5, has the same).
        sampler, sampling_steps, ensemble_members: see `DiffusionModel`.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        scale: int,
        inner_channel: int = 64,
        norm_groups: int = 32,
        channel_mults: Sequence[int] = (1, 2, 2, 4),
        attn_res: Sequence[int] = (16, 8),
        res_blocks: int = 2,
        dropout: float = 0.0,
        image_size: int = 64,
        num_heads: int = 4,
        window_size: int = 8,
        timesteps: int = 1000,
        kappa: float = 2.0,
        power: float = 0.3,
        prediction: str = "v",
        sampler: str = "dpm_solver",
        sampling_steps: int = 15,
        ensemble_members: int = 8,
    ) -> None:
        layout = Layout(
            inner_channel, norm_groups, channel_mults, attn_res, res_blocks, dropout, image_size
        )

        def attention(channels: int) -> nn.Module:
            return WindowedAttention(channels, num_heads, window_size)

        etas = shifting_schedule(timesteps, kappa, power)
        super().__init__(
            TimeDenoiser(in_channels + out_channels, out_channels, layout, attention),
            [Rates(1 - eta, kappa * math.sqrt(eta)) for eta in etas],
            out_channels=out_channels,
            scale=scale,
            prediction=prediction,
            target="residual",
            sampler=sampler,
            sampling_steps=sampling_steps,
            ensemble_members=ensemble_members,
        )

    def told(self, times: Tensor) -> Tensor:
        """Return the time steps [B] themselves."""
        return times

    def kept(self, earlier: Rates, later: Rates) -> float:
        """Return 1: the chain shifts and adds noise, but shrinks nothing (equation 1)."""
        return 1.0
