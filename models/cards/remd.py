"""The card of ReMD."""

from collections.abc import Mapping
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.models.card import INTEGER_SCALES, ModelCard, Recipe
from srwizard.models.cards import resshift
from srwizard.models.cards.denoiser import TINY, sampling_parameters
from srwizard.models.cards.v_cycle import GRID_LEVELS, grid_problems, multiwavelets


def _problems(params: Mapping[str, Any], scale: int, lr_shape: tuple[int, int] | None) -> list[str]:
    """The correction has grids of its own, from that of the high-resolution field down."""
    found = resshift.resshift_problems(params, scale, lr_shape)
    k, c = params["k"], params["c"]
    if c * k * k % 2:
        found.append(
            _("c * k * k is {width}; it must be even, so c or k must be.", width=c * k * k)
        )
    hr_shape = None if lr_shape is None else [scale * size for size in lr_shape]
    return found + grid_problems(params["grid_levels"], hr_shape)


# Sizes: those of ResShift with the paper's correction, of 64 channels; "tiny" has one of 16.
CARD = ModelCard(
    name="ReMD",
    family="diffusion",
    summary_en="ResShift corrected in each step towards LR's block means and what fluids are like",
    summary_zh="每步都按低分辨率块平均与流体特征修正的 ResShift：少数几步即可得到样本",
    paper=(
        "Physics-Consistent Diffusion for Efficient Fluid Super-Resolution via Multiscale "
        "Residual Correction, CVPR 2026. arXiv:2603.00149"
    ),
    module="srwizard.models.remd",
    parameters=(
        *resshift.PARAMETERS,
        *multiwavelets(k=4, c=4),
        GRID_LEVELS,
        *sampling_parameters(8),
    ),
    fft=False,
    recommended=False,
    scales=INTEGER_SCALES,
    sizes={
        "tiny": {**TINY, "k": 2, "c": 4},
        "base": {**resshift.CARD.sizes["base"], "k": 4, "c": 4},
        "large": {**resshift.CARD.sizes["large"], "k": 4, "c": 4},
    },
    check=_problems,
    recipe=Recipe(
        lr=0.0005,
        warmup=0.05,
        clip_grad_norm=1.0,
        why_en="ResShift's, but for the rate: of three, the best on two datasets together",
        why_zh="除学习率外取自 ResShift；学习率是三个取值中在两个数据集上总体最好的",
    ),
)
