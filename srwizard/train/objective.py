"""What training minimizes: a network and its loss as one module, so that DDP wraps both."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.padding import across, within
from srwizard.runs.failures import NetworkOutputError
from srwizard.settings.training import FrozenTraining
from srwizard.train.conservation import Blocks, conserved
from srwizard.train.losses import sample_losses


class Objective(nn.Module):
    """The loss of each sample: that of the settings, or a diffusion model's own.

    Args:
        network: maps LR to SR, or has a `training_loss(lr, hr, mask, area)` of its own.
        settings: which loss.
        seam: LR columns by which fields that go round the globe are widened; see `seam`.
    """

    def __init__(self, network: nn.Module, settings: FrozenTraining, seam: int = 0) -> None:
        super().__init__()
        self.network = network
        self._kind = settings.loss
        self._seam = seam

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

        Raises:
            NetworkOutputError: the network gives anything but a tensor of the shape of HR.
        """
        own: Callable[..., Tensor] | None = getattr(self.network, "training_loss", None)
        seam, fine = self._seam, self._seam * (hr.shape[-1] // lr.shape[-1])
        if own is not None:
            parts = [across(lr, seam), across(hr, fine), across(mask, fine)]
            if seam:  # what is seen twice counts once
                once = torch.ones_like(hr[:, :1]) if area is None else area
                area = functional.pad(once, (fine, fine))
            return own(*parts, *([] if area is None else [area]))
        widened = across(lr, seam)
        found = self.network(widened)
        _check_output(found, widened, (*hr.shape[:-1], hr.shape[-1] + 2 * fine))
        sr = within(found, fine)
        return sample_losses(conserved(sr, blocks), hr, mask, self._kind, area)


def _check_output(found: object, lr: Tensor, expected: tuple[int, ...]) -> None:
    """Refuse what would only be broadcast to the shape of HR.

    Raises:
        NetworkOutputError: it is no tensor, or has another shape.
    """
    if not isinstance(found, Tensor):
        raise NetworkOutputError(f"the network gave a {type(found).__name__}, not a tensor")
    if found.shape != expected:
        raise NetworkOutputError(
            f"the network gave {list(found.shape)} for an input of {list(lr.shape)}; "
            f"{list(expected)} is expected"
        )
