"""Parameters of a network of every model that is small enough for tests."""

from typing import Any

SMALL_UNET: dict[str, Any] = {
    "inner_channel": 8,
    "norm_groups": 4,
    "channel_mults": [1, 2],
    "attn_res": [],
    "res_blocks": 1,
}
"""Of the U-Net of a diffusion model; how samples are drawn is as by default."""
SMALL_DIFFUSION = SMALL_UNET | {"sampling_steps": 3, "ensemble_members": 3}
SMALL_STANDARD: dict[str, dict[str, Any]] = {
    "FNO2d": {"width": 8, "modes": 4, "num_layers": 3},
    "SwinIR": {"embed_dim": 8, "depths": [2, 2], "num_heads": [2, 2], "window_size": 4},
    "HAT": {
        "embed_dim": 8,
        "depths": [2, 2],
        "num_heads": [2, 2],
        "window_size": 4,
        "squeeze_factor": 4,
    },
    "EDSR": {"num_features": 8, "num_blocks": 3},
    "RCAN": {"num_features": 8, "num_groups": 2, "num_blocks": 2, "reduction": 1},
    "UNet2d": {"features": 8, "levels": 2},
    "Swin_Transformer": {
        "embed_dim": 8,
        "depths": [2, 2],
        "num_heads": [2, 2],
        "window_size": 4,
        "mlp_ratio": 2.0,
    },
    "Galerkin_Transformer": {
        "width": 8,
        "num_layers": 2,
        "num_heads": 2,
        "decoder_width": 8,
        "modes": 4,
    },
    "MWT2d": {"k": 2, "c": 2, "modes": 2, "num_layers": 2},
    "M2NO2d": {"k": 2, "c": 2, "num_layers": 3, "grid_levels": [1, 2]},
    "SRNO": {"num_features": 8, "num_blocks": 2, "width": 8, "num_heads": 2},
    "HiNOTE": {"num_features": 8, "num_blocks": 2, "width": 8, "num_heads": 2},
}
SMALL = SMALL_STANDARD | dict.fromkeys(("DDPM", "SR3", "ResShift", "FlowMatching"), SMALL_DIFFUSION)
SMALL["ReMD"] = SMALL_DIFFUSION | {"k": 2, "c": 2, "grid_levels": [1]}
