"""The card of HiNOTE."""

from collections.abc import Mapping
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.models.card import INTEGER_SCALES, ModelCard, Parameter, Recipe
from srwizard.models.cards.limits import head_problems
from srwizard.models.cards.residual_trunk import ENCODER


def _problems(params: Mapping[str, Any], scale: int, lr_shape: tuple[int, int] | None) -> list[str]:
    """The width is shared among the heads, and the coarsest level needs a point at least."""
    found = head_problems("width", params["width"], [params["num_heads"]])
    if lr_shape is None:
        return found
    height, width = (scale * size for size in lr_shape)
    most = min(height, width).bit_length()
    if params["levels"] > most:
        found.append(
            _(
                "levels is {levels}, but a high-resolution grid of {height} x {width} has only "
                "{most}, each half as fine as the one before.",
                levels=params["levels"],
                height=height,
                width=width,
                most=most,
            )
        )
    return found


# Sizes: the paper leaves the widths open; "base", which is also the default, has the encoder of
# EDSR-baseline as SRNO has.
CARD = ModelCard(
    name="HiNOTE",
    family="standard",
    summary_en="Neural operator with linear attention on several resolutions, for any ratio",
    summary_zh="在多个分辨率上使用线性注意力的神经算子，适用于任意倍率",
    paper=(
        "Luo et al. (2024), Hierarchical Neural Operator Transformer with Learnable "
        "Frequency-aware Loss Prior for Arbitrary-scale Super-resolution, ICML. arXiv:2405.12202"
    ),
    module="srwizard.models.hinote",
    parameters=(
        *ENCODER,
        Parameter("num_heads", 8, "int", "Attention heads", "注意力头数", minimum=1),
        Parameter(
            "width",
            64,
            "int",
            "Channels of the decoder at high resolution; num_heads must divide it",
            "高分辨率上解码器的通道数；须能被 num_heads 整除",
            minimum=1,
        ),
        Parameter(
            "levels",
            3,
            "int",
            "Resolutions of the decoder, each half as fine as the one before",
            "解码器的分辨率级数，逐级减半",
            minimum=1,
            maximum=8,
        ),
        Parameter(
            "num_layers", 1, "int", "Attention layers on each level", "每级的注意力层数", minimum=1
        ),
    ),
    fft=False,
    recommended=False,
    scales=INTEGER_SCALES,
    sizes={
        "tiny": {"num_features": 32, "num_blocks": 4, "width": 32, "num_heads": 4},
        "base": {"num_features": 64, "num_blocks": 16, "width": 64, "num_heads": 8},
        "large": {"num_features": 128, "num_blocks": 32, "width": 128, "num_layers": 2},
    },
    check=_problems,
    recipe=Recipe(warmup=0.05, clip_grad_norm=1.0),
)
