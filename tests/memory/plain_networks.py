"""Networks that know nothing of srwizard, for `srwizard estimate --module`."""

import torch
from torch import Tensor, nn

ONES = torch.ones(3, 1, 1)


class Block(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to the same shape."""
        return torch.relu(x + self.second(torch.relu(self.norm(self.first(x)))))


class CNN(nn.Module):
    """A plain residual network of three-channel images."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1), *[Block(32) for _ in range(3)], nn.Dropout(0.1)
        )
        self.tail = nn.Conv2d(32, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, 3, h, w] to the same shape."""
        return self.tail(self.body(x))  # type: ignore[no-any-return]


class DependsOnValues(CNN):
    """Keeps what is above zero."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a mean over as many points as there are."""
        found = super().forward(x)
        return found[found > 0].mean()


class KeepsATensorApart(CNN):
    """Multiplies with a tensor of the module's file."""

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, 3, h, w] to the same shape."""
        return super().forward(x * ONES)


class ReadsValuesToBegin(CNN):
    """Asks for values while it is built, as stochastic depth does."""

    def __init__(self) -> None:
        self.rates = [rate.item() for rate in torch.linspace(0, 0.1, 3)]
        super().__init__()


made = CNN()


def distance(x: Tensor, y: Tensor) -> Tensor:
    """Return a loss without weights."""
    return (x - y).square().mean()


def several(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return what is not one tensor."""
    return x, x


def not_built() -> nn.Module:
    """Raise."""
    raise OSError("weights.pt is not here")


def no_module() -> int:
    """Return something else."""
    return 3
