"""The card of UNet2d."""

from collections.abc import Mapping
from typing import Any

from srwizard.base.i18n import translate_count as _n
from srwizard.models.card import INTEGER_SCALES, ModelCard, Parameter


def _problems(params: Mapping[str, Any], scale: int, lr_shape: tuple[int, int] | None) -> list[str]:
    """A grid can be halved until its shorter side is a single point."""
    if lr_shape is None:
        return []
    height, width = (scale * size for size in lr_shape)
    most = min(height, width).bit_length() - 1
    if params["levels"] <= most:
        return []
    return [
        _n(
            "levels is {levels}, but a high-resolution grid of {height} x {width} can be halved "
            "only once.",
            "levels is {levels}, but a high-resolution grid of {height} x {width} can be halved "
            "only {most} times.",
            most,
            levels=params["levels"],
            height=height,
            width=width,
            most=most,
        )
    ]


# Sizes: "base" is the network of the paper's figure 1, which is also the default.
CARD = ModelCard(
    name="UNet2d",
    family="standard",
    summary_en="U-Net on the interpolated field: sees small and large scales at once",
    summary_zh="在插值后的场上使用 U-Net：同时看到小尺度与大尺度",
    paper=(
        "Ronneberger et al. (2015), U-Net: Convolutional Networks for Biomedical Image "
        "Segmentation, MICCAI. doi:10.1007/978-3-319-24574-4_28, arXiv:1505.04597"
    ),
    module="srwizard.models.unet2d",
    parameters=(
        Parameter(
            "features",
            64,
            "int",
            "Channels at full resolution; they double at every level below",
            "最高分辨率处的通道数；每下一层加倍",
            minimum=1,
        ),
        Parameter(
            "levels",
            4,
            "int",
            "How often the resolution is halved",
            "分辨率减半的次数",
            minimum=1,
            maximum=8,
        ),
    ),
    fft=False,
    local=True,
    recommended=False,
    scales=INTEGER_SCALES,
    sizes={
        "tiny": {"features": 16, "levels": 3},
        "base": {"features": 64, "levels": 4},
        "large": {"features": 96, "levels": 4},
    },
    check=_problems,
)
