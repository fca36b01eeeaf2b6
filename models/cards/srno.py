"""The card of SRNO."""

from collections.abc import Mapping
from typing import Any

from srwizard.models.card import INTEGER_SCALES, ModelCard, Parameter, Recipe
from srwizard.models.cards.limits import head_problems
from srwizard.models.cards.residual_trunk import ENCODER


def _problems(params: Mapping[str, Any], scale: int, lr_shape: tuple[int, int] | None) -> list[str]:
    return head_problems("width", params["width"], [params["num_heads"]])


# Sizes: "base" is the paper's network with the encoder of EDSR-baseline (section 4.1), which is
# also the default. Its attention layers work at high resolution, where each of its 256 channels
# takes as much memory as the field.
CARD = ModelCard(
    name="SRNO",
    family="standard",
    summary_en="Neural operator with linear attention at high resolution, for any ratio",
    summary_zh="在高分辨率上使用线性注意力的神经算子，适用于任意倍率",
    paper=(
        "Wei and Zhang (2023), Super-Resolution Neural Operator, CVPR. "
        "doi:10.1109/CVPR52729.2023.01750, arXiv:2303.02584"
    ),
    module="srwizard.models.srno",
    parameters=(
        *ENCODER,
        Parameter("num_heads", 16, "int", "Attention heads", "注意力头数", minimum=1),
        Parameter(
            "width",
            256,
            "int",
            "Channels of the attention layers at high resolution; num_heads must divide it",
            "高分辨率上注意力层的通道数；须能被 num_heads 整除",
            minimum=1,
        ),
        Parameter("num_layers", 2, "int", "Attention layers", "注意力层数", minimum=1),
    ),
    fft=False,
    recommended=False,
    scales=INTEGER_SCALES,
    sizes={
        "tiny": {"num_features": 32, "num_blocks": 4, "width": 32, "num_heads": 4},
        "base": {"num_features": 64, "num_blocks": 16, "width": 256, "num_heads": 16},
        "large": {"num_features": 128, "num_blocks": 32, "width": 256, "num_heads": 16},
    },
    check=_problems,
    recipe=Recipe(warmup=0.05, clip_grad_norm=1.0),
)
