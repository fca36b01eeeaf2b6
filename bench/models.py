"""Time and memory of training steps against plain forms: `python -m bench models [FNO2d ...]`.

A step is forward, backward and AdamW. Both sides have the same weights and the same input; they
take turns in one run, and medians are compared. Memory is the peak of live tensors.
"""

import copy
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.reference_forms import plain_fno2d, plain_swinir
from srwizard.base.sizes_and_times import bytes_text
from srwizard.hardware.devices import fast_bfloat16
from srwizard.memory.tracker import StorageTracker
from srwizard.models import build, set_gradient_checkpointing
from srwizard.train.process_environment import allocator_settings

ROUNDS = 5
SECONDS = 15
"""Short steps take turns for so long: single ones differ by a third."""
THREADS = 2


@dataclass(frozen=True)
class Side:
    """One of the two networks that are compared, and how it computes."""

    net: nn.Module
    use_amp: bool = False
    gradient_checkpointing: bool = False


@dataclass(frozen=True)
class Case:
    """A comparison: time and memory of `ours` over those of `reference`, and what is asked."""

    name: str
    ours: Side
    reference: Side
    lr: Tensor
    most_time: float | None = None
    most_memory: float | None = None
    agreement: float = 1e-4
    timed: bool = True


def fno2d(modes: int) -> Iterator[Case]:
    """Compare truncated transforms with the full FFT."""
    ours = build(
        "FNO2d", in_channels=1, out_channels=1, scale=4, params={"width": 32, "modes": modes}
    )
    net = with_output(ours)
    yield Case(
        f"FNO2d, width 32, {modes} modes, HR 680 x 1440, against the full FFT",
        Side(net),
        Side(plain_fno2d_in(copy.deepcopy(net))),
        torch.randn(1, 1, 170, 360),
        most_time=0.4,
    )


def swinir() -> Iterator[Case]:
    """Compare the blocks that recompute with those of the papers."""
    params = {"embed_dim": 120, "depths": [6] * 4, "num_heads": [6] * 4, "window_size": 8}
    net = with_output(build("SwinIR", in_channels=1, out_channels=1, scale=4, params=params))
    plain = copy.deepcopy(net)
    plain.net = plain_swinir(plain.net)  # type: ignore[arg-type,assignment]
    lr = torch.randn(1, 1, 64, 64)
    name = "SwinIR, embed 120, depths 4 x 6, LR 64 x 64"
    yield Case(f"{name}, against the plain form", Side(net), Side(plain), lr, 1.0, 0.66)
    yield Case(
        f"{name}, both checkpointed",
        Side(net, gradient_checkpointing=True),
        Side(plain, gradient_checkpointing=True),
        lr,
        1.0,
        0.8,
    )
    yield Case(
        f"{name}, use_amp against float32",
        Side(net, use_amp=True),
        Side(net),
        lr,
        0.6,
        None,
        0.05,
        timed=fast_bfloat16(),
    )


def edsr() -> Iterator[Case]:
    """Compare mixed precision with float32."""
    net = with_output(build("EDSR", in_channels=1, out_channels=1, scale=4))
    for height, width in ((64, 64), (170, 360)):
        yield Case(
            f"EDSR, LR {height} x {width}, use_amp against float32",
            Side(net, use_amp=True),
            Side(net),
            torch.randn(1, 1, height, width),
            0.6,
            0.7,
            0.05,
            timed=fast_bfloat16(),
        )


def diffusion(name: str) -> Iterator[Case]:
    """Compare mixed precision with float32 in the denoiser."""
    params = {"inner_channel": 32, "norm_groups": 8, "attn_res": [], "image_size": 64}
    model = build(name, in_channels=1, out_channels=1, scale=4, params=params)
    denoiser = model.denoiser
    nn.init.normal_(denoiser.final_conv.block[-1].weight, std=0.02)  # type: ignore
    net = Denoising(denoiser.train())  # type: ignore[arg-type]
    # So large that activations take more than the weights, which stay in float32.
    yield Case(
        f"{name}, 32 channels, HR 256 x 256, use_amp against float32",
        Side(net, use_amp=True),
        Side(net),
        torch.randn(2, 2, 256, 256),
        0.6,
        0.7,
        0.05,
        timed=fast_bfloat16(),
    )


class Denoising(nn.Module):
    """A denoiser in the middle of its schedule."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = AtOneTime(net)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, in + out, H, W] to [B, out, H, W]."""
        found: Tensor = self.net(x)
        return found


class AtOneTime(nn.Module):
    """`net(x, 0.5)` as a function of x alone."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.denoiser = net

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, in + out, H, W] to [B, out, H, W]."""
        found: Tensor = self.denoiser(x, x.new_full((len(x),), 0.5))
        return found


def with_output(net: nn.Module) -> nn.Module:
    """Let the last layer, which starts at zero, give something to compare."""
    nn.init.normal_(net.net.output_layer().weight, std=0.02)  # type: ignore[operator,union-attr]
    return net.train()


def plain_fno2d_in(net: nn.Module) -> nn.Module:
    """Let the network within a global skip use the full FFT."""
    plain_fno2d(net.net)  # type: ignore[arg-type]
    return net


CASES: dict[str, Callable[[], Iterator[Case]]] = {
    "FNO2d 12": lambda: fno2d(12),
    "FNO2d 24": lambda: fno2d(24),
    "SwinIR": swinir,
    "EDSR": edsr,
    "DDPM": lambda: diffusion("DDPM"),
    "SR3": lambda: diffusion("SR3"),
    "ResShift": lambda: diffusion("ResShift"),
}


def compare(case: Case) -> str:
    """Return a row of the table."""
    sides = (case.ours, case.reference)
    outputs = [output(side, case.lr) for side in sides]
    apart = float((outputs[0] - outputs[1]).abs().max() / outputs[1].abs().max())
    if apart > case.agreement:
        raise SystemExit(f"{case.name}: results differ by {apart:.1e}")
    peaks = [peak(side, case.lr) for side in sides]
    memory_ratio = f"{peaks[0] / peaks[1]:.2f}{asked(case.most_memory)}"
    kept = f"{bytes_text(peaks[1])} | {memory_ratio} | {apart:.0e} |"
    if not case.timed:
        return f"| {case.name} | - | not timed{asked(case.most_time)} | {kept}"
    seconds: tuple[list[float], list[float]] = ([], [])
    steps = [step_of(side, case.lr) for side in sides]
    for step in steps:
        step()  # the first makes the optimizer's state
    while len(seconds[0]) < ROUNDS or sum(map(sum, seconds)) < SECONDS:
        for times, step in zip(seconds, steps, strict=True):
            started = time.perf_counter()
            step()
            times.append(time.perf_counter() - started)
    ours, reference = map(statistics.median, seconds)
    time_ratio = f"{ours / reference:.2f}{asked(case.most_time)}"
    return f"| {case.name} | {reference:.2f} s | {time_ratio} | {kept}"


def asked(most: float | None) -> str:
    """Return the goal in brackets."""
    return "" if most is None else f" ({most:.2f})"


def output(side: Side, lr: Tensor) -> Tensor:
    """Return what the network computes, without its global skip."""
    set_gradient_checkpointing(side.net, side.gradient_checkpointing)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=side.use_amp):
        result: Tensor = side.net.net(lr)  # type: ignore[operator]
    return result.float()


def step_of(side: Side, lr: Tensor) -> Callable[[], None]:
    """Return a training step of the network."""
    optimizer = torch.optim.AdamW(side.net.parameters(), lr=0.0)

    def step() -> None:
        set_gradient_checkpointing(side.net, side.gradient_checkpointing)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=side.use_amp):
            sr = side.net(lr)
        sr.float().abs().mean().backward()
        optimizer.step()

    return step


def peak(side: Side, lr: Tensor) -> int:
    """Return the peak of live tensors, in bytes, over two steps on a copy of the network."""
    # Copied before, so that the network it is copied from is not counted. The copy is: its weights
    # are seen when the first step changes them.
    net = copy.deepcopy(side.net)
    with StorageTracker() as tracker:
        step = step_of(Side(net, side.use_amp, side.gradient_checkpointing), lr)
        step()
        step()
        return tracker.peak.total_bytes


def main(names: Sequence[str] = ()) -> None:
    """Print a row for each case, or for those whose names begin so."""
    settings = allocator_settings()
    if not settings.items() <= os.environ.items():  # they are read when a process starts
        again = [sys.executable, "-m", "bench.models", *names]
        subprocess.run(again, env=dict(os.environ) | settings, check=True)
        return
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    print("| case | reference step | time (at most) | reference peak | memory (at most) | differ |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, cases in CASES.items():
        if not names or any(name.startswith(wanted) for wanted in names):
            for case in cases():
                print(compare(case), flush=True)
    if not fast_bfloat16():
        print("This CPU only emulates bfloat16: use_amp is off by default and was not timed.")


if __name__ == "__main__":
    main(sys.argv[1:])
