"""The card of FNO2d."""

from collections.abc import Mapping
from typing import Any

from srwizard.models.card import FREED_BLOCK, INTEGER_SCALES, ModelCard, Parameter, Recipe
from srwizard.models.cards.limits import fourier_problems


def _problems(params: Mapping[str, Any], scale: int, lr_shape: tuple[int, int] | None) -> list[str]:
    return fourier_problems(params["modes"], scale, lr_shape)


# Sizes: "base" is the network of the paper's experiments on Darcy flow (section 5.2), which is
# also the default; "large" has twice its width and modes.
CARD = ModelCard(
    name="FNO2d",
    family="standard",
    summary_en="Fourier neural operator: learns in wave-number space, for smooth large-scale flow",
    summary_zh="傅里叶神经算子：在波数空间学习，适合平滑的大尺度流场",
    paper=(
        "Li et al. (2021), Fourier Neural Operator for Parametric Partial Differential Equations, "
        "ICLR. arXiv:2010.08895"
    ),
    module="srwizard.models.fno2d",
    parameters=(
        Parameter("width", 32, "int", "Channels of every layer", "每层的通道数", minimum=1),
        Parameter(
            "modes",
            12,
            "int",
            "Fourier modes kept in each direction; finer waves pass only the 1 x 1 convolutions",
            "每个方向保留的傅里叶模态数；更短的波只经过 1 x 1 卷积",
            minimum=1,
        ),
        Parameter("num_layers", 4, "int", "Fourier layers", "傅里叶层数", minimum=1),
    ),
    fft=True,
    recommended=False,
    scales=INTEGER_SCALES,
    sizes={
        "tiny": {"width": 16, "modes": 8, "num_layers": 4},
        "base": {"width": 32, "modes": 12, "num_layers": 4},
        "large": {"width": 64, "modes": 24, "num_layers": 4},
    },
    check=_problems,
    recipe=Recipe(lr=0.004, warmup=0.05, clip_grad_norm=1.0),
    freed_block=4 * FREED_BLOCK,
)
