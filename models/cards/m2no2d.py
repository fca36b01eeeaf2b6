"""The card of M2NO2d."""

from collections.abc import Mapping
from typing import Any

from srwizard.models.card import FREED_BLOCK, INTEGER_SCALES, ModelCard, Parameter, Recipe
from srwizard.models.cards.v_cycle import GRID_LEVELS, grid_problems, multiwavelets


def _problems(params: Mapping[str, Any], scale: int, lr_shape: tuple[int, int] | None) -> list[str]:
    """The cycles go down from the low-resolution grid."""
    return grid_problems(params["grid_levels"], lr_shape)


# Sizes: "base", also the default, has the 64 channels of the authors' networks.
CARD = ModelCard(
    name="M2NO2d",
    family="standard",
    summary_en="Multigrid neural operator: V-cycles that correct large scales on coarse grids",
    summary_zh="多重网格神经算子：以 V 循环在粗网格上修正大尺度",
    paper=(
        "Li et al. (2024), M2NO: Multiresolution Operator Learning with Multiwavelet-based "
        "Algebraic Multigrid Method, KDD 2026. arXiv:2406.04822"
    ),
    module="srwizard.models.m2no2d",
    parameters=(
        *multiwavelets(k=4, c=4),
        Parameter("num_layers", 4, "int", "V-cycles", "V 循环数", minimum=1),
        GRID_LEVELS,
    ),
    fft=False,
    recommended=False,
    scales=INTEGER_SCALES,
    sizes={
        "tiny": {"k": 2, "c": 8, "num_layers": 3, "grid_levels": [1, 1]},
        "base": {"k": 4, "c": 4, "num_layers": 4, "grid_levels": [1, 1, 1]},
        "large": {"k": 4, "c": 8, "num_layers": 6, "grid_levels": [2, 2, 2]},
    },
    check=_problems,
    recipe=Recipe(
        warmup=0.05,
        clip_grad_norm=1.0,
        why_en="those of most networks here; not yet compared with others",
        why_zh="与本程序多数网络相同；尚未与其他取值比较",
    ),
    freed_block=4 * FREED_BLOCK,
)
