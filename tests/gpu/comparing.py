"""Equal weights, inputs and random numbers on two devices and in two types."""

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from srwizard.models import build, set_gradient_checkpointing
from srwizard.models.catalog import card
from tests.small_networks import SMALL

ON_A_CARD = pytest.mark.gpu
SCALE, LR_SHAPE = 2, (8, 12)
REFERENCE = (torch.device("cpu"), torch.float64)


def some_on_the_cpu(names: Iterable[str], some: str) -> list[Any]:
    """Return pairs of name and device: all on a card, one of them, which is quick, on the CPU too.

    To parametrize ("name", "device"), the device indirectly.
    """
    return [(some, "cpu"), *(pytest.param(name, "cuda", marks=ON_A_CARD) for name in names)]


class DrawnOnTheCPU(TorchFunctionMode):
    """Random numbers are drawn in 64 bits on the CPU, whatever device and type are asked for."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = dict(kwargs or {})
        if func is torch.randn_like:
            return torch.randn(args[0].shape, dtype=torch.float64).to(args[0])
        if func in (torch.rand, torch.randint):
            device, dtype = named.pop("device", None), named.pop("dtype", torch.get_default_dtype())
            if func is torch.randint:
                return func(*args, **named).to(device)
            return func(*args, **named, dtype=torch.float64).to(device, dtype)
        return func(*args, **named)


@contextlib.contextmanager
def in_float64() -> Iterator[None]:
    """What networks compute in float32 whatever they are given is computed in float64."""
    torch.set_default_dtype(torch.float64)
    try:
        with (
            mock.patch.object(Tensor, "float", Tensor.double),
            mock.patch.object(torch, "float32", torch.float64),
        ):
            yield
    finally:
        torch.set_default_dtype(torch.float)


@dataclass(frozen=True)
class Result:
    """A loss, the gradient of every parameter by its name, in float64 on the CPU."""

    loss: float
    gradients: dict[str, Tensor]


def made(name: str) -> nn.Module:
    """Return a small network of a model in training mode, no layer of which gives nothing."""
    torch.manual_seed(0)
    net = build(name, in_channels=1, out_channels=1, scale=SCALE, params=SMALL[name])
    generator = torch.Generator().manual_seed(1)
    for part in net.parameters():
        if not part.any():  # networks with a skip start at zero, and so would all gradients
            part.data.normal_(std=0.05, generator=generator)
    return net.train()


def batch(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Return LR, HR and mask of two samples."""
    generator = torch.Generator().manual_seed(2)
    height, width = LR_SHAPE
    lr = torch.randn(2, 1, height, width, generator=generator, dtype=torch.float64)
    hr = torch.randn(2, 1, SCALE * height, SCALE * width, generator=generator, dtype=torch.float64)
    mask = torch.rand(hr.shape, generator=generator, dtype=torch.float64) > 0.2
    return lr.to(device, dtype), hr.to(device, dtype), mask.to(device)


def loss_of(net: nn.Module, name: str, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the loss of the batch: the model's own, or the mean square of what is missed."""
    lr, hr, mask = batch(device, dtype)
    torch.manual_seed(3)
    with DrawnOnTheCPU():
        if card(name).family == "diffusion":
            training_loss: Callable[..., Tensor] = net.training_loss  # type: ignore[assignment]
            return training_loss(lr, hr, mask).mean()
        return torch.where(mask, net(lr) - hr, 0.0).square().mean()


def computed(
    net: nn.Module, name: str, device: torch.device, dtype: torch.dtype, scaled: float = 1.0
) -> Result:
    """Compute loss and gradients with a copy of a network; `scaled` is taken back from both."""
    own = copy.deepcopy(net).to(device, dtype)
    exact = in_float64() if dtype == torch.float64 else contextlib.nullcontext()
    with exact:
        loss = loss_of(own, name, device, dtype)
        (loss * scaled).backward()
    return Result(
        float(loss.detach()),
        {
            key: part.grad.detach().double().cpu() / scaled
            for key, part in own.named_parameters()
            if part.grad is not None
        },
    )


def checkpointed(net: nn.Module) -> nn.Module:
    """Return a copy of a network whose blocks are computed again on the way back."""
    own = copy.deepcopy(net)
    set_gradient_checkpointing(own, True)
    return own


def distance(found: Result, wanted: Result) -> float:
    """Return how far all gradients together lie from those wanted, as a share of these."""
    assert found.gradients.keys() == wanted.gradients.keys()
    apart = sum(
        float((found.gradients[key] - part).square().sum())
        for key, part in wanted.gradients.items()
    )
    size = sum(float(part.square().sum()) for part in wanted.gradients.values())
    return float((apart / size) ** 0.5)
