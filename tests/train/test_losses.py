"""What stands under the mask has no part in the loss; the batch size has none either."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from srwizard.settings.methods import LOSSES
from srwizard.train.loop import epoch_steps
from srwizard.train.losses import sample_losses
from srwizard.train.setup import micro_batches_of
from srwizard.train.step import optimizer_step
from tests.datasets import write_dataset
from tests.train.runs import freeze, made_ready

KINDS = pytest.mark.parametrize("kind", [entry.name for entry in LOSSES])


def fields(seed: int, batch: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sr, hr = torch.randn(2, batch, 2, 5, 6, generator=generator)
    mask = torch.rand(batch, 2, 5, 6, generator=generator) > 0.3
    return sr, hr, mask


def loss_and_gradient(sr: Tensor, hr: Tensor, mask: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    sr = sr.clone().requires_grad_()
    losses = sample_losses(sr, hr, mask, kind)
    losses.sum().backward()
    assert sr.grad is not None
    return losses.detach(), sr.grad


@KINDS
@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    hidden=st.sampled_from([float("nan"), float("inf"), float("-inf"), 3e38, -1e30, 0.0]),
    in_truth=st.booleans(),
)
def test_masked_values_change_neither_loss_nor_gradient(
    kind: str, seed: int, hidden: float, in_truth: bool
) -> None:
    sr, hr, mask = fields(seed)
    clean = loss_and_gradient(sr, hr, mask, kind)
    if in_truth:
        hr = torch.where(mask, hr, hidden)
    else:
        sr = torch.where(mask, sr, hidden)
    soiled = loss_and_gradient(sr, hr, mask, kind)
    assert torch.equal(soiled[0], clean[0])
    assert torch.equal(soiled[1], clean[1])
    assert (soiled[1][~mask] == 0).all()


def by_hand(error: Tensor, truth: Tensor, areas: Tensor, kind: str) -> Tensor:
    """The loss of one channel of one sample, from its points with a value alone."""
    areas = areas / areas.sum()
    match kind:
        case "L1":
            return (areas * error.abs()).sum()
        case "L2":
            return (areas * error**2).sum()
        case "Charbonnier":
            return (areas * (torch.sqrt(error**2 + 1e-6) - 1e-3)).sum()
    return ((areas * error**2).sum() / (areas * truth**2).sum()).sqrt()


@pytest.mark.parametrize("kind", ["L1", "L2", "Charbonnier", "relative_L2"])
@pytest.mark.parametrize("weighted", [False, True])
def test_mean_over_the_points_with_a_value(kind: str, weighted: bool) -> None:
    sr, hr, mask = fields(0, batch=1)
    area = torch.rand(1, 1, 5, 6) + 0.1 if weighted else None
    areas = torch.ones(5, 6) if area is None else area[0, 0]
    channels = [
        by_hand((sr - hr)[0, c][mask[0, c]], hr[0, c][mask[0, c]], areas[mask[0, c]], kind)
        for c in range(2)
    ]
    torch.testing.assert_close(
        sample_losses(sr, hr, mask, kind, area)[0], torch.stack(channels).mean()
    )


@KINDS
def test_a_sample_without_any_value_weighs_nothing(kind: str) -> None:
    sr, hr, mask = fields(0)
    losses, gradient = loss_and_gradient(sr, hr, torch.zeros_like(mask), kind)
    assert (losses == 0).all()
    assert (gradient == 0).all()


@KINDS
def test_independent_of_the_batch(kind: str) -> None:
    sr, hr, mask = fields(1, batch=4)
    together = sample_losses(sr, hr, mask, kind)
    one_by_one = [
        sample_losses(*(part[i : i + 1] for part in (sr, hr, mask)), kind) for i in range(4)
    ]
    torch.testing.assert_close(together, torch.cat(one_by_one))


def gradients(run_dir: Path) -> tuple[float, list[Tensor]]:
    training = made_ready(run_dir)
    for parameter in training.bare.parameters():
        # The output layer begins at zero, which lets no gradient through to the others.
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(1))
    step = epoch_steps(training)[0]
    loss = optimizer_step(training, step, training.batches("train", micro_batches_of([step])))
    found = [parameter.grad for parameter in training.bare.parameters()]
    return loss, [gradient for gradient in found if gradient is not None]


@pytest.mark.parametrize(("batch_size", "accumulation"), [(1, 8), (3, 3), (4, 2)])
def test_micro_batches_give_the_gradient_of_the_large_batch(
    tmp_path: Path, batch_size: int, accumulation: int
) -> None:
    root = write_dataset(tmp_path / "data", steps=(8, 2, 2))
    settings: dict[str, Any] = {"loss": "L2"}
    freeze(root, tmp_path / "whole", batch_size=8, **settings)
    freeze(
        root,
        tmp_path / "parts",
        batch_size=batch_size,
        grad_accumulation=accumulation,
        **settings,
    )
    loss, whole = gradients(tmp_path / "whole")
    same_loss, parts = gradients(tmp_path / "parts")
    assert same_loss == pytest.approx(loss, rel=1e-6)
    assert any(gradient.abs().max() > 1e-4 for gradient in whole)
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-7)
