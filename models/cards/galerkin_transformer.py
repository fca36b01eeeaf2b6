"""The card of Galerkin_Transformer."""

from collections.abc import Mapping
from typing import Any

from srwizard.models.card import FREED_BLOCK, INTEGER_SCALES, ModelCard, Parameter, Recipe
from srwizard.models.cards.limits import fourier_problems, head_problems
from srwizard.models.cards.transformer import mlp_ratio


def _problems(params: Mapping[str, Any], scale: int, lr_shape: tuple[int, int] | None) -> list[str]:
    return [
        *head_problems("width", params["width"], [params["num_heads"]]),
        *fourier_problems(params["modes"], scale, lr_shape),
    ]


# Sizes: "base" is the network of the paper's experiments on Darcy flow, which is
# also the default; "large" has twice its width and modes.
CARD = ModelCard(
    name="Galerkin_Transformer",
    family="standard",
    summary_en="Attention over the whole field without softmax, at linear cost; Fourier decoder",
    summary_zh="无 softmax 的全场注意力，代价线性；以傅里叶层解码",
    paper="Cao (2021), Choose a Transformer: Fourier or Galerkin, NeurIPS. arXiv:2105.14995",
    module="srwizard.models.galerkin_transformer",
    parameters=(
        Parameter("num_heads", 4, "int", "Attention heads", "注意力头数", minimum=1),
        Parameter(
            "width",
            128,
            "int",
            "Channels of the attention layers; num_heads must divide it",
            "注意力层的通道数；须能被 num_heads 整除",
            minimum=1,
        ),
        Parameter("num_layers", 6, "int", "Attention layers", "注意力层数", minimum=1),
        mlp_ratio(2.0, "width", " width "),
        Parameter(
            "decoder_width",
            32,
            "int",
            "Channels of the Fourier layers on the high-resolution grid",
            "高分辨率网格上傅里叶层的通道数",
            minimum=1,
        ),
        Parameter(
            "decoder_layers",
            2,
            "int",
            "Fourier layers on the high-resolution grid",
            "高分辨率网格上的傅里叶层数",
            minimum=1,
        ),
        Parameter(
            "modes",
            12,
            "int",
            "Fourier modes kept in each direction",
            "每个方向保留的傅里叶模态数",
            minimum=1,
        ),
    ),
    fft=True,
    recommended=False,
    scales=INTEGER_SCALES,
    sizes={
        "tiny": {"width": 48, "num_layers": 3, "decoder_width": 16, "modes": 8},
        "base": {"width": 128, "num_layers": 6, "decoder_width": 32, "modes": 12},
        "large": {"width": 256, "num_layers": 6, "decoder_width": 64, "modes": 24},
    },
    check=_problems,
    recipe=Recipe(warmup=0.05, clip_grad_norm=1.0),
    freed_block=4 * FREED_BLOCK,
)
