"""Parity with the reference implementations: same weights, same input, same output."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from srwizard.models import build, load_reference
from srwizard.models.fno2d import SpectralConv2d

GOLDEN = Path(__file__).parent.parent / "golden"


def read_golden(name: str) -> tuple[dict[str, Any], dict[str, torch.Tensor], dict[str, Any]]:
    """Return the reference's configuration, its weights, and its inputs and output."""
    weights, arrays = {}, {}
    with np.load(GOLDEN / f"{name}.npz") as file:
        config = json.loads(str(file["meta"]))["config"]
        for key in file.files:
            if key.startswith("weight:"):
                weights[key.removeprefix("weight:")] = torch.from_numpy(file[key])
            elif key != "meta":
                arrays[key.removeprefix("input:")] = torch.from_numpy(file[key])
    return config, weights, arrays


def assert_parity(net: Any, expected: torch.Tensor, *inputs: torch.Tensor) -> None:
    with torch.no_grad():
        output = net.eval()(*inputs)
    assert output.shape == expected.shape
    assert (output - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize("name", ["edsr_x2", "edsr_x4"])
def test_edsr(name: str) -> None:
    config, weights, arrays = read_golden(name)
    net = build(
        "EDSR",
        in_channels=config["num_in_ch"],
        out_channels=config["num_out_ch"],
        scale=config["upscale"],
        params={
            "num_features": config["num_feat"],
            "num_blocks": config["num_block"],
            "res_scale": config["res_scale"],
        },
        global_skip=False,
    )
    load_reference(net, weights)
    assert_parity(net, arrays["output"], arrays["lr"])


def test_swinir() -> None:
    config, weights, arrays = read_golden("swinir_x4_pixelshuffle")
    shared = ("embed_dim", "depths", "num_heads", "window_size", "mlp_ratio", "upsampler")
    net = build(
        "SwinIR",
        in_channels=config["in_chans"],
        out_channels=config["in_chans"],
        scale=config["upscale"],
        params={key: config[key] for key in (*shared, "resi_connection")},
        global_skip=False,
    )
    load_reference(net, weights)
    assert_parity(net, arrays["output"], arrays["lr"])


@pytest.mark.parametrize(
    ("name", "model", "told"),
    [("ddpm_unet", "DDPM", "timestep"), ("sr3_unet", "SR3", "noise_level")],
)
def test_denoiser(name: str, model: str, told: str) -> None:
    config, weights, arrays = read_golden(name)
    shared = (
        "inner_channel",
        "norm_groups",
        "channel_mults",
        "attn_res",
        "res_blocks",
        "dropout",
        "image_size",
    )
    net = build(
        model,
        in_channels=config["in_channel"] - config["out_channel"],
        out_channels=config["out_channel"],
        scale=2,
        params={key: config[key] for key in shared},
    )
    load_reference(net, weights)
    assert_parity(net.denoiser, arrays["output"], arrays["x"], arrays[told])


def test_spectral_convolution() -> None:
    config, weights, arrays = read_golden("fno_spectral_conv2d")
    layer = SpectralConv2d(**config)
    load_reference(layer, weights)
    assert_parity(layer, arrays["output"], arrays["x"])
