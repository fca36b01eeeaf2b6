"""What training minimizes: a network and its loss as one module, so that DDP wraps both."""

from collections.abc import Callable

from torch import Tensor, nn

from srwizard.settings.answers import TrainingAnswers
from srwizard.train.conservation import Blocks, conserved
from srwizard.train.losses import sample_losses


class Objective(nn.Module):
    """The loss of each sample: that of the settings, or a diffusion model's own.

    Args:
        network: maps LR to SR, or has a `training_loss(lr, hr, mask, area)` of its own.
        settings: which loss.
    """

    def __init__(self, network: nn.Module, settings: TrainingAnswers) -> None:
        super().__init__()
        self.network = network
        self._kind = settings.loss

    def forward(
        self,
        lr: Tensor,
        hr: Tensor,
        mask: Tensor,
        area: Tensor | None = None,
        blocks: Blocks | None = None,
    ) -> Tensor:
        """Return the losses `[B]`, float32.

        Args:
            lr: `[B, C, h, w]`, normalized.
            hr: `[B, C, H, W]`, normalized; what stands under the mask does not matter.
            mask: `[B, C, H, W]`, True where HR has a value.
            area: `[B, 1, H, W]`, relative areas of the grid points; None: all the same.
            blocks: whose means are conserved; None: they are not. The loss of a diffusion model is
                that of noise, which has none.
        """
        own: Callable[..., Tensor] | None = getattr(self.network, "training_loss", None)
        if own is not None:
            return own(lr, hr, mask) if area is None else own(lr, hr, mask, area)
        return sample_losses(conserved(self.network(lr), blocks), hr, mask, self._kind, area)
