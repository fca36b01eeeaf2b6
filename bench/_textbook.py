"""A training as the textbooks have it, in a process of its own: `python -m bench._textbook`.

A dataset of `.npy` pairs, a `DataLoader`, AdamW, `torch.utils.checkpoint`, of diffusion models a
moving average of the weights (Ho et al., NeurIPS 2020), and nothing set in the environment. The
networks are srwizard's, with the same parameters, in the plain forms of `reference_forms`; nothing
is scored, and nothing is written.
"""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from bench.reference_forms import plain_denoiser, plain_fno2d, plain_swinir
from srwizard.models import build, set_gradient_checkpointing
from srwizard.train.peak import peak_resident

PLAIN = {"FNO2d": plain_fno2d, "SwinIR": plain_swinir}


class Pairs(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """LR `[1, h, w]`, HR `[1, H, W]` and where HR has values, normalized.

    Args:
        split: a directory with `hr` and `lr`.
        scale: HR over LR.
        patch: side of HR windows, each time at another place; None: whole fields.
    """

    def __init__(self, split: Path, scale: int, patch: int | None) -> None:
        self.files = [sorted((split / level / "temp").glob("*.npy")) for level in ("lr", "hr")]
        self.scale, self.patch = scale, patch
        values = np.stack([np.load(file) for file in self.files[1]])
        self.mean, self.std = float(np.nanmean(values)), float(np.nanstd(values))

    def __len__(self) -> int:
        return len(self.files[0])

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        lr, hr = (torch.from_numpy(np.load(files[index]))[None] for files in self.files)
        if self.patch is not None:
            side, scale = self.patch // self.scale, self.scale
            row, column = (int(torch.randint(size - side + 1, ())) for size in lr.shape[-2:])
            lr = lr[:, row : row + side, column : column + side]
            row, column = row * scale, column * scale
            hr = hr[:, row : row + self.patch, column : column + self.patch]
        lr, hr = ((part - self.mean) / self.std for part in (lr, hr))
        return lr.nan_to_num(), hr.nan_to_num(), hr.isfinite()


def network(model: str, params: Mapping[str, Any], scale: int) -> nn.Module:
    """Return a network in its plain form."""
    net = build(model, in_channels=1, out_channels=1, scale=scale, params=dict(params))
    if hasattr(net, "denoiser"):
        plain_denoiser(net.denoiser)
    elif model in PLAIN:
        net.net = PLAIN[model](net.net)  # type: ignore[operator]
    return net.train()


def loss_of(net: nn.Module, lr: Tensor, hr: Tensor, mask: Tensor) -> Tensor:
    """Return the mean absolute error over the sea, or what a diffusion model learns by."""
    if hasattr(net, "training_loss"):
        found: Tensor = net.training_loss(lr, hr, mask).mean()
        return found
    return ((net(lr) - hr).abs() * mask).sum() / mask.sum()


def epochs(told: Mapping[str, Any]) -> list[float]:
    """Train; return the seconds of a step in each epoch."""
    torch.manual_seed(0)
    pairs = Pairs(Path(told["root"]) / "train", told["scale"], told["patch"])
    loader = DataLoader(pairs, batch_size=told["batch"], shuffle=True)
    net = network(told["model"], told["params"], told["scale"])
    set_gradient_checkpointing(net, told["checkpointing"])
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)
    decay, averaged = told["ema_decay"], None
    if decay is not None:
        averaged = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(decay))
    seconds = []
    for _epoch in range(told["epochs"]):
        started = time.perf_counter()
        for lr, hr, mask in loader:
            optimizer.zero_grad()
            loss = loss_of(net, lr, hr, mask)
            loss.backward()
            optimizer.step()
            if averaged is not None:
                averaged.update_parameters(net)
            loss.item()
        seconds.append((time.perf_counter() - started) / len(loader))
    return seconds


def main() -> None:
    """Read a case from standard input, as JSON; write what it took to standard output."""
    seconds = epochs(json.load(sys.stdin))
    json.dump({"seconds": seconds, "peak_bytes": peak_resident()}, sys.stdout)


if __name__ == "__main__":
    main()
