"""Variants of the reference networks for which no golden output is kept.

The forms below are plain ones, written from the papers: they take a state dict under the names and
with the shapes that the reference code has, and nothing else of ours.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from srwizard.models import build, load_reference
from srwizard.models.fno2d import SpectralConv2d

State = dict[str, Tensor]


def made(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> State:
    """Return random weights of these shapes, small enough for deep networks."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=generator) * (0.3 if len(shape) == 1 else 0.15)
        + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
        for name, shape in shapes.items()
    }


def conv(x: Tensor, state: State, name: str, **options: Any) -> Tensor:
    weight = state[f"{name}.weight"]
    return F.conv2d(x, weight, state.get(f"{name}.bias"), padding=weight.shape[-1] // 2, **options)


def add_conv(
    shapes: dict[str, tuple[int, ...]], name: str, outputs: int, inputs: int, side: int = 3
) -> None:
    shapes[f"{name}.weight"] = (outputs, inputs, side, side)
    shapes[f"{name}.bias"] = (outputs,)


def add_shuffle_stages(shapes: dict[str, tuple[int, ...]], features: int, scale: int) -> None:
    if scale == 3:
        add_conv(shapes, "upsample.0", 9 * features, features)
        return
    for stage in range(scale.bit_length() - 1):
        add_conv(shapes, f"upsample.{2 * stage}", 4 * features, features)


def shuffle_stages(x: Tensor, state: State, scale: int) -> Tensor:
    factors = [3] if scale == 3 else [2] * (scale.bit_length() - 1)
    for stage, factor in enumerate(factors):
        x = F.pixel_shuffle(conv(x, state, f"upsample.{2 * stage}"), factor)
    return x


def assert_equal(net: Any, state: State, expected: Tensor, *inputs: Tensor) -> None:
    load_reference(net, state)
    with torch.no_grad():
        output = net.eval()(*inputs) if not hasattr(net, "denoiser") else net.denoiser(*inputs)
    assert output.shape == expected.shape
    assert (output - expected).abs().max() <= 1e-4 * expected.abs().max()


# EDSR


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize(("inputs", "outputs", "res_scale"), [(1, 1, 1.0), (3, 2, 0.1)])
def test_edsr(scale: int, inputs: int, outputs: int, res_scale: float) -> None:
    shapes: dict[str, tuple[int, ...]] = {}
    add_conv(shapes, "conv_first", 12, inputs)
    for block in range(3):
        add_conv(shapes, f"body.{block}.conv1", 12, 12)
        add_conv(shapes, f"body.{block}.conv2", 12, 12)
    add_conv(shapes, "conv_after_body", 12, 12)
    add_shuffle_stages(shapes, 12, scale)
    add_conv(shapes, "conv_last", outputs, 12)
    state, lr = made(shapes), torch.randn(2, inputs, 7, 9)
    x = first = conv(lr, state, "conv_first")
    for block in range(3):
        hidden = F.relu(conv(x, state, f"body.{block}.conv1"))
        x = x + res_scale * conv(hidden, state, f"body.{block}.conv2")
    x = shuffle_stages(first + conv(x, state, "conv_after_body"), state, scale)
    net = build(
        "EDSR",
        in_channels=inputs,
        out_channels=outputs,
        scale=scale,
        params={"num_features": 12, "num_blocks": 3, "res_scale": res_scale},
        global_skip=False,
    )
    # The mean shift of the reference, which BasicSR keeps as a buffer in some versions.
    state["mean"] = torch.zeros(1, 1, 1, 1)
    assert_equal(net, state, conv(x, state, "conv_last"), lr)


# SwinIR


def swinir_state(config: dict[str, Any]) -> State:
    dim, window, hidden = config["embed_dim"], config["window_size"], config["mlp_ratio"]
    shapes: dict[str, tuple[int, ...]] = {}
    add_conv(shapes, "conv_first", dim, config["in_chans"])
    norms = ["patch_embed.norm", "norm"]
    connections = ["conv_after_body"]
    for layer, (depth, heads) in enumerate(zip(config["depths"], config["num_heads"], strict=True)):
        connections.append(f"layers.{layer}.conv")
        for block in range(depth):
            name = f"layers.{layer}.residual_group.blocks.{block}"
            norms += [f"{name}.norm1", f"{name}.norm2"]
            shapes[f"{name}.attn.relative_position_bias_table"] = ((2 * window - 1) ** 2, heads)
            for part, outputs, inputs in (
                ("attn.qkv", 3 * dim, dim),
                ("attn.proj", dim, dim),
                ("mlp.fc1", int(dim * hidden), dim),
                ("mlp.fc2", dim, int(dim * hidden)),
            ):
                shapes[f"{name}.{part}.weight"] = (outputs, inputs)
                shapes[f"{name}.{part}.bias"] = (outputs,)
    for name in norms:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (dim,)
    for name in connections:
        if config["resi_connection"] == "1conv":
            add_conv(shapes, name, dim, dim)
        else:
            add_conv(shapes, f"{name}.0", dim // 4, dim)
            add_conv(shapes, f"{name}.2", dim // 4, dim // 4, 1)
            add_conv(shapes, f"{name}.4", dim, dim // 4)
    channels, scale = config["in_chans"], config["upscale"]
    if config["upsampler"] == "pixelshuffledirect":
        add_conv(shapes, "upsample.0", channels * scale**2, dim)
        return made(shapes)
    add_conv(shapes, "conv_before_upsample.0", 64, dim)
    add_conv(shapes, "conv_last", channels, 64)
    if config["upsampler"] == "pixelshuffle":
        add_shuffle_stages(shapes, 64, scale)
        return made(shapes)
    for name in ["conv_up1", "conv_hr", *(["conv_up2"] if scale == 4 else [])]:
        add_conv(shapes, name, 64, 64)
    return made(shapes)


def linear(x: Tensor, state: State, name: str) -> Tensor:
    return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])


def norm(x: Tensor, state: State, name: str) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"])


def attend_by_the_point(
    x: Tensor, state: State, name: str, heads: int, window: int, shift: int
) -> Tensor:
    """Attention of [B, H, W, C], one window of the shifted field after the other."""
    _batch, height, width, dim = x.shape
    size = dim // heads
    table = state[f"{name}.relative_position_bias_table"]
    qkv = linear(x, state, f"{name}.qkv")
    result = torch.zeros_like(x)

    places = torch.arange(window)
    i, j = (grid.flatten() for grid in torch.meshgrid(places, places, indexing="ij"))
    offsets = (i[:, None] - i + window - 1) * (2 * window - 1) + j[:, None] - j + window - 1

    def region(place: Tensor, length: int) -> Tensor:
        """In which part of the field points of the rolled field lay: they see only their own."""
        return (place >= length - window).int() + (place >= length - shift).int()

    for top in range(0, height, window):
        for left in range(0, width, window):
            ys, xs = (top + i + shift) % height, (left + j + shift) % width
            points = qkv[:, ys, xs]
            scores = torch.zeros(len(i), len(i))
            if shift:
                part_of = 3 * region(top + i, height) + region(left + j, width)
                scores = scores.masked_fill(part_of[:, None] != part_of, -100.0)
            mixed = []
            for head in range(heads):
                part = slice(head * size, (head + 1) * size)
                q, k, v = (points[..., n * dim : (n + 1) * dim][..., part] for n in range(3))
                found = q @ k.transpose(1, 2) / size**0.5 + table[offsets, head] + scores
                mixed.append(found.softmax(-1) @ v)
            result[:, ys, xs] = linear(torch.cat(mixed, dim=-1), state, f"{name}.proj")
    return result


def connection(x: Tensor, state: State, name: str) -> Tensor:
    x = x.permute(0, 3, 1, 2)
    if f"{name}.weight" in state:
        y = conv(x, state, name)
    else:
        y = F.leaky_relu(conv(x, state, f"{name}.0"), 0.2)
        y = F.leaky_relu(conv(y, state, f"{name}.2"), 0.2)
        y = conv(y, state, f"{name}.4")
    return y.permute(0, 2, 3, 1)


def plain_swinir(lr: Tensor, state: State, config: dict[str, Any]) -> Tensor:
    window, scale = config["window_size"], config["upscale"]
    height, width = lr.shape[-2:]
    padded = F.pad(lr, (0, -width % window, 0, -height % window), "reflect")
    shallow = conv(padded, state, "conv_first")
    x = norm(shallow.permute(0, 2, 3, 1), state, "patch_embed.norm")
    for layer, (depth, heads) in enumerate(zip(config["depths"], config["num_heads"], strict=True)):
        y = x
        for block in range(depth):
            name = f"layers.{layer}.residual_group.blocks.{block}"
            shift = window // 2 if block % 2 else 0
            normal = norm(y, state, f"{name}.norm1")
            y = y + attend_by_the_point(normal, state, f"{name}.attn", heads, window, shift)
            hidden = F.gelu(linear(norm(y, state, f"{name}.norm2"), state, f"{name}.mlp.fc1"))
            y = y + linear(hidden, state, f"{name}.mlp.fc2")
        x = x + connection(y, state, f"layers.{layer}.conv")
    deep = connection(norm(x, state, "norm"), state, "conv_after_body").permute(0, 3, 1, 2)
    x = shallow + deep
    if config["upsampler"] == "pixelshuffledirect":
        x = F.pixel_shuffle(conv(x, state, "upsample.0"), scale)
    else:
        x = F.leaky_relu(conv(x, state, "conv_before_upsample.0"))
        if config["upsampler"] == "pixelshuffle":
            x = shuffle_stages(x, state, scale)
        else:
            for name in ["conv_up1", *(["conv_up2"] if scale == 4 else [])]:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
                x = F.leaky_relu(conv(x, state, name), 0.2)
            x = F.leaky_relu(conv(x, state, "conv_hr"), 0.2)
        x = conv(x, state, "conv_last")
    return x[..., : height * scale, : width * scale]


@pytest.mark.parametrize(
    ("upsampler", "scale", "resi_connection", "window", "channels"),
    [
        ("pixelshuffle", 2, "1conv", 4, 1),
        ("pixelshuffle", 3, "3conv", 4, 2),
        ("pixelshuffle", 4, "3conv", 5, 1),
        ("pixelshuffle", 8, "1conv", 7, 1),
        ("pixelshuffledirect", 2, "1conv", 4, 2),
        ("pixelshuffledirect", 3, "1conv", 8, 1),
        ("pixelshuffledirect", 4, "3conv", 4, 1),
        ("pixelshuffledirect", 8, "1conv", 4, 1),
        ("nearest+conv", 2, "1conv", 4, 1),
        ("nearest+conv", 4, "1conv", 8, 2),
        ("nearest+conv", 4, "3conv", 4, 1),
    ],
)
def test_swinir(
    upsampler: str, scale: int, resi_connection: str, window: int, channels: int
) -> None:
    config = {
        "in_chans": channels,
        "upscale": scale,
        "window_size": window,
        "depths": [2, 3],
        "embed_dim": 12,
        "num_heads": [2, 3],
        "mlp_ratio": 2,
        "upsampler": upsampler,
        "resi_connection": resi_connection,
    }
    state = swinir_state(config)
    torch.manual_seed(1)
    lr = torch.randn(2, channels, 11, 14)
    expected = plain_swinir(lr, state, config)
    names = ("embed_dim", "depths", "num_heads", "window_size", "mlp_ratio")
    net = build(
        "SwinIR",
        in_channels=channels,
        out_channels=channels,
        scale=scale,
        params={key: config[key] for key in (*names, "upsampler", "resi_connection")},
        global_skip=False,
    )
    # Checkpoints hold the masks for the size that they were trained on, and the indices.
    state["layers.0.residual_group.blocks.1.attn_mask"] = torch.zeros(4, window**2, window**2)
    state["layers.0.residual_group.blocks.0.attn.relative_position_index"] = torch.zeros(1)
    assert_equal(net, state, expected, lr)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"absolute_pos_embed": torch.zeros(1, 64, 12)}, "unexpected: absolute_pos_embed"),
        ({"layers.0.residual_group.blocks.0.attn.qkv.bias": None}, "missing: layers.0.residual"),
        ({"patch_embed.norm.weight": None}, "missing: patch_embed.norm.weight"),
    ],
)
def test_swinir_variants_that_the_paper_does_not_have_are_refused(
    change: dict[str, Tensor | None], named: str
) -> None:
    params = {"embed_dim": 12, "depths": [2], "num_heads": [2], "window_size": 4}
    net = build("SwinIR", in_channels=1, out_channels=1, scale=2, params=params, global_skip=False)
    state = net.state_dict() | change
    with pytest.raises(Exception, match=named):
        load_reference(net, {name: value for name, value in state.items() if value is not None})


# The denoisers of DDPM and SR3


class PlainDenoiser:
    """The U-Net, put together from its configuration as it runs.

    Args:
        config: the arguments of the reference's constructor.
        time: whether it is told a time step (DDPM) or a noise level (SR3).

    Attributes:
        shapes: of the weights, noted as the network runs.
        state: the weights; None: any of the right shape will do.
    """

    def __init__(self, config: dict[str, Any], *, time: bool) -> None:
        self.config, self.time = config, time
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.state: State | None = None

    def conv(
        self,
        x: Tensor,
        name: str,
        outputs: int,
        side: int = 3,
        *,
        bias: bool = True,
        **options: Any,
    ) -> Tensor:
        add_conv(self.shapes, name, outputs, x.shape[1], side)
        if not bias:
            del self.shapes[f"{name}.bias"]
        return self._with(name, lambda state: conv(x, state, name, **options))

    def linear(self, x: Tensor, name: str, outputs: int) -> Tensor:
        self.shapes[f"{name}.weight"] = (outputs, x.shape[-1])
        self.shapes[f"{name}.bias"] = (outputs,)
        return self._with(name, lambda state: linear(x, state, name))

    def norm(self, x: Tensor, name: str) -> Tensor:
        self.shapes[f"{name}.weight"] = self.shapes[f"{name}.bias"] = (x.shape[1],)
        groups = self.config["norm_groups"]
        return self._with(
            name,
            lambda state: F.group_norm(x, groups, state[f"{name}.weight"], state[f"{name}.bias"]),
        )

    def _with(self, name: str, compute: Callable[[State], Tensor]) -> Tensor:
        if self.state is not None:
            return compute(self.state)
        keys = (f"{name}.weight", f"{name}.bias")
        return compute(made({key: self.shapes[key] for key in keys if key in self.shapes}))

    def block(self, x: Tensor, name: str, outputs: int) -> Tensor:
        return self.conv(F.silu(self.norm(x, f"{name}.block.0")), f"{name}.block.3", outputs)

    def stage(self, x: Tensor, name: str, outputs: int, told: Tensor, attends: bool) -> Tensor:
        block = f"{name}.res_block"
        y = self.block(x, f"{block}.block1", outputs)
        if self.time:
            shift = self.linear(F.silu(told), f"{block}.mlp.1", outputs)
        else:
            shift = self.linear(told, f"{block}.noise_func.noise_func.0", outputs)
        y = self.block(y + shift[:, :, None, None], f"{block}.block2", outputs)
        y = y + (self.conv(x, f"{block}.res_conv", outputs, 1) if x.shape[1] != outputs else x)
        return self.attention(y, f"{name}.attn") if attends else y

    def attention(self, x: Tensor, name: str) -> Tensor:
        channels = x.shape[1]
        qkv = self.conv(self.norm(x, f"{name}.norm"), f"{name}.qkv", 3 * channels, 1, bias=False)
        q, k, v = qkv.flatten(2).chunk(3, dim=1)
        shares = (q.transpose(1, 2) @ k / channels**0.5).softmax(-1)
        mixed = (v @ shares.transpose(1, 2)).view(x.shape)
        return x + self.conv(mixed, f"{name}.out", channels, 1)

    def run(self, x: Tensor, told: Tensor) -> Tensor:
        config = self.config
        inner = config["inner_channel"]
        mlp = "time_mlp" if self.time else "noise_level_mlp"
        if self.time:
            self.shapes[f"{mlp}.0.inv_freq"] = (inner // 2,)
            rates = 10000 ** (-torch.arange(0, inner, 2) / inner)
        else:
            rates = 10000 ** (-torch.arange(inner // 2) / (inner // 2))
        angles = told.flatten().float()[:, None] * rates
        told = self.linear(torch.cat([angles.sin(), angles.cos()], dim=1), f"{mlp}.1", 4 * inner)
        told = self.linear(F.silu(told), f"{mlp}.3", inner)
        side, number = config["image_size"], 1
        x = self.conv(x, "downs.0", inner)
        skipped = [x]
        widths = [inner * factor for factor in config["channel_mults"]]
        for level, width in enumerate(widths):
            for _block in range(config["res_blocks"]):
                x = self.stage(x, f"downs.{number}", width, told, side in config["attn_res"])
                skipped.append(x)
                number += 1
            if level < len(widths) - 1:
                x = self.conv(x, f"downs.{number}.conv", width, stride=2)
                skipped.append(x)
                number += 1
                side //= 2
        x = self.stage(x, "mid.0", widths[-1], told, True)
        x = self.stage(x, "mid.1", widths[-1], told, False)
        number = 0
        for level, width in reversed(list(enumerate(widths))):
            for _block in range(config["res_blocks"] + 1):
                joined = torch.cat([x, skipped.pop()], dim=1)
                x = self.stage(joined, f"ups.{number}", width, told, side in config["attn_res"])
                number += 1
            if level:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
                x = self.conv(x, f"ups.{number}.conv", width)
                number += 1
                side *= 2
        return self.block(x, "final_conv", config["out_channel"])


@pytest.mark.parametrize("model", ["DDPM", "SR3"])
@pytest.mark.parametrize(
    "config",
    [
        {"channel_mults": [1, 2, 4], "attn_res": [8], "res_blocks": 2, "image_size": 16},
        {"channel_mults": [1, 1, 2], "attn_res": [16, 4], "norm_groups": 2, "image_size": 16},
        {"channel_mults": [1, 2, 2, 2], "attn_res": [], "inner_channel": 12, "image_size": 32},
        {"in_channel": 5, "out_channel": 2, "channel_mults": [2, 3], "attn_res": [16]},
        {"channel_mults": [1], "attn_res": [], "res_blocks": 3},
        {"channel_mults": [1, 2], "attn_res": [8], "dropout": 0.2},
    ],
)
def test_denoisers(model: str, config: dict[str, Any]) -> None:
    config = {
        "in_channel": 2, "out_channel": 1, "inner_channel": 8, "norm_groups": 4, "res_blocks": 1,
        "dropout": 0.0, "image_size": 16,
    } | config  # fmt: skip
    plain = PlainDenoiser(config, time=model == "DDPM")
    torch.manual_seed(2)
    x = torch.randn(2, config["in_channel"], 16, 24)
    told = torch.tensor([3, 700]) if model == "DDPM" else torch.tensor([[0.2], [0.97]])
    plain.run(x, told)
    plain.state = made(plain.shapes)
    if model == "DDPM":
        inner = config["inner_channel"]
        plain.state["time_mlp.0.inv_freq"] = 10000 ** (-torch.arange(0, inner, 2) / inner)
    names = (
        "inner_channel", "norm_groups", "channel_mults", "attn_res", "res_blocks", "dropout",
        "image_size",
    )  # fmt: skip
    net = build(
        model,
        in_channels=config["in_channel"] - config["out_channel"],
        out_channels=config["out_channel"],
        scale=2,
        params={key: config[key] for key in names},
    )
    assert_equal(net.eval(), plain.state, plain.run(x, told), x, told)


# The spectral convolution of FNO


@pytest.mark.parametrize(
    ("size", "modes", "channels"),
    [
        ((24, 30), (6, 4), (3, 5)),
        ((16, 17), (8, 9), (2, 2)),
        ((33, 20), (5, 11), (1, 4)),
        ((130, 140), (12, 12), (2, 3)),  # by matrix products
        ((129, 160), (3, 20), (1, 1)),
    ],
)
def test_spectral_convolution(
    size: tuple[int, int], modes: tuple[int, int], channels: tuple[int, int]
) -> None:
    torch.manual_seed(3)
    shape = (*channels, *modes)
    state = {name: torch.randn(shape, dtype=torch.cfloat) for name in ("weights1", "weights2")}
    x = torch.randn(2, channels[0], *size)
    spectrum = torch.fft.rfft2(x)
    mapped = torch.zeros(2, channels[1], size[0], size[1] // 2 + 1, dtype=torch.cfloat)
    low, high = slice(0, modes[0]), slice(size[0] - modes[0], size[0])
    for rows, name in ((low, "weights1"), (high, "weights2")):
        part = spectrum[:, :, rows, : modes[1]]
        mapped[:, :, rows, : modes[1]] = torch.einsum("bixy,ioxy->boxy", part, state[name])
    expected = torch.fft.irfft2(mapped, s=size)
    assert_equal(SpectralConv2d(*channels, *modes), state, expected, x)
