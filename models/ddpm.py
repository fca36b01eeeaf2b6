"""DDPM: denoising diffusion (Ho et al. 2020, arXiv:2006.11239), given the low-resolution field.

The condition is joined to the noisy field as channels, as in SR3, whose baseline this is.
"""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from srwizard.models.denoiser import Denoiser, Layout, TimeDenoiser, TimeEmbedding
from srwizard.models.diffusion import DiffusionModel
from srwizard.models.multigrid_denoiser import MultigridDenoiser
from srwizard.models.noise_schedule import cosine_schedule, linear_schedule


class DDPM(DiffusionModel):
    """A U-Net that is told the number of the time step.

    Args:
        in_channels: channels of the low-resolution input.
        out_channels: channels of the super-resolved output.
        scale: ratio HR/LR.
        inner_channel, norm_groups, channel_mults, attn_res, res_blocks, dropout, image_size: of
            the U-Net, see `denoiser.Layout`.
        denoiser: "unet", or "multigrid" for V-cycles in its place, see `MultigridDenoiser`.
        timesteps: steps of the forward process.
        schedule: "linear" or "cosine".
        prediction, target, sampler, sampling_steps, ensemble_members: see `DiffusionModel`.

    Attributes:
        unet: the kind of U-Net.
        embedding: the embedding of what a network is told.
        first_beta, last_beta: of the linear schedule, times `timesteps`: the paper's betas belong
            to its number of steps; with fewer, each has to do more.
    """

    unet: ClassVar[type[Denoiser]] = TimeDenoiser
    embedding: ClassVar[type[nn.Module]] = TimeEmbedding
    first_beta: ClassVar[float] = 0.1
    last_beta: ClassVar[float] = 20

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        scale: int,
        inner_channel: int = 64,
        norm_groups: int = 32,
        channel_mults: Sequence[int] = (1, 2, 4, 4),
        attn_res: Sequence[int] = (16,),
        res_blocks: int = 2,
        dropout: float = 0.0,
        image_size: int = 128,
        denoiser: str = "unet",
        timesteps: int = 1000,
        schedule: str = "cosine",
        prediction: str = "v",
        target: str = "residual",
        sampler: str = "dpm_solver",
        sampling_steps: int = 32,
        ensemble_members: int = 8,
    ) -> None:
        layout = Layout(
            inner_channel, norm_groups, channel_mults, attn_res, res_blocks, dropout, image_size
        )
        rates = (
            cosine_schedule(timesteps)
            if schedule == "cosine"
            else linear_schedule(timesteps, self.first_beta / timesteps, self.last_beta / timesteps)
        )
        super().__init__(
            self._network(denoiser, in_channels + out_channels, out_channels, layout),
            rates,
            out_channels=out_channels,
            scale=scale,
            prediction=prediction,
            target=target,
            sampler=sampler,
            sampling_steps=sampling_steps,
            ensemble_members=ensemble_members,
        )

    def _network(self, kind: str, inputs: int, outputs: int, layout: Layout) -> nn.Module:
        if kind == "unet":
            return self.unet(inputs, outputs, layout)
        embedding = type(self).embedding(layout.inner_channel)
        return MultigridDenoiser(inputs, outputs, layout, embedding)

    def told(self, times: Tensor) -> Tensor:
        """Return the time steps [B] themselves."""
        return times
