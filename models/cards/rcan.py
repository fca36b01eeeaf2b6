"""The card of RCAN."""

from collections.abc import Mapping
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.models.card import INTEGER_SCALES, ModelCard, Parameter
from srwizard.models.cards.limits import divisors
from srwizard.models.cards.residual_trunk import NUM_FEATURES, RES_SCALE


def _problems(params: Mapping[str, Any], scale: int, lr_shape: tuple[int, int] | None) -> list[str]:
    """The attention narrows the channels by a whole number."""
    features, reduction = params["num_features"], params["reduction"]
    if features % reduction == 0:
        return []
    return [
        _(
            "reduction is {reduction}, which does not divide num_features ({features}); "
            "these do: {allowed}.",
            reduction=reduction,
            features=features,
            allowed=divisors(features),
        )
    ]


# Sizes: "base" is the paper's network (section 3.5), which is also the default; it has more than
# 400 layers. No larger one is in the paper; "large" is wider.
CARD = ModelCard(
    name="RCAN",
    family="standard",
    summary_en="Very deep residual convolutions that weigh their channels: precise, but slow",
    summary_zh="极深的残差卷积网络，按通道加权：精度高，但较慢",
    paper=(
        "Zhang et al. (2018), Image Super-Resolution Using Very Deep Residual Channel Attention "
        "Networks, ECCV. doi:10.1007/978-3-030-01234-2_18, arXiv:1807.02758"
    ),
    module="srwizard.models.rcan",
    parameters=(
        NUM_FEATURES,
        Parameter("num_groups", 10, "int", "Residual groups", "残差组数", minimum=1),
        Parameter("num_blocks", 20, "int", "Blocks in each group", "每个残差组的块数", minimum=1),
        Parameter(
            "reduction",
            16,
            "int",
            "By how much the attention narrows the channels; must divide num_features",
            "注意力中通道的压缩倍数；须整除 num_features",
            minimum=1,
        ),
        RES_SCALE,
    ),
    fft=False,
    recommended=False,
    scales=INTEGER_SCALES,
    sizes={
        "tiny": {"num_features": 32, "num_groups": 3, "num_blocks": 4, "reduction": 8},
        "base": {"num_features": 64, "num_groups": 10, "num_blocks": 20, "reduction": 16},
        "large": {"num_features": 128, "num_groups": 10, "num_blocks": 20, "res_scale": 0.1},
    },
    check=_problems,
)
