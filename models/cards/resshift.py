"""The card of ResShift."""

from collections.abc import Mapping
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.models.card import FREED_BLOCK, INTEGER_SCALES, ModelCard, Parameter, Recipe
from srwizard.models.cards.denoiser import (
    TINY,
    sampling_parameters,
    unet_parameters,
    unet_problems,
)
from srwizard.models.cards.limits import divisors
from srwizard.models.cards.transformer import window_size


def resshift_problems(
    params: Mapping[str, Any], scale: int, lr_shape: tuple[int, int] | None
) -> list[str]:
    """The attention's heads must share the channels of every level evenly."""
    found = unet_problems(params, scale, lr_shape)
    inner, heads = params["inner_channel"], params["num_heads"]
    if inner % heads:
        found.append(
            _(
                "inner_channel is {inner}, which {heads} num_heads do not divide; it allows "
                "{allowed}.",
                inner=inner,
                heads=heads,
                allowed=divisors(inner),
            )
        )
    return found


PARAMETERS = (
    *unet_parameters(norm_groups=32, channel_mults=(1, 2, 2, 4), attn_res=(16, 8), image_size=64),
    Parameter(
        "num_heads",
        4,
        "int",
        "Attention heads; must divide inner_channel",
        "注意力头数；须能整除 inner_channel",
        minimum=1,
    ),
    window_size(8, "points of its level", "所在层级的格点数"),
    Parameter(
        "timesteps",
        1000,
        "int",
        "Steps in which the residual is shifted and noise is added in training; the paper has 15",
        "训练时平移残差并加噪的步数；论文为 15",
        minimum=2,
        maximum=1000,
    ),
    Parameter(
        "kappa",
        2.0,
        "float",
        "Strength of the noise, in standard deviations of what the method that the network starts "
        "from misses",
        "噪声强度，以网络起始方法残差的标准差为单位",
        minimum=0.1,
        maximum=20,
    ),
    Parameter(
        "power",
        0.3,
        "float",
        "How the shift grows: below 1 quickly at first, above 1 slowly",
        "平移量的增长方式：小于 1 时先快后慢，大于 1 时先慢后快",
        minimum=0.05,
        maximum=10,
    ),
    Parameter(
        "prediction",
        "v",
        "str",
        "What the network predicts: the field (the paper), or a mixture of field and noise, which "
        "keeps what is fine",
        "网络预测的量：场 x0（论文），或场与噪声的组合 v（能保留细小尺度）",
        choices=("v", "x0"),
        older="x0",
    ),
)
"""Of the U-Net, its attention and the process."""

# Sizes: "large" has the levels and channels of the authors' network for photographs, with
# attention on the lower two levels only: theirs works on fields four times as coarse. "base", also
# the default, has less than half its width.
CARD = ModelCard(
    name="ResShift",
    family="diffusion",
    summary_en="Diffusion from the LR field itself: 15 steps for a sample, where others take 32",
    summary_zh="从低分辨率场出发的扩散模型：一个样本只需 15 步，其他模型需 32 步",
    paper=(
        "Yue et al. (2023), ResShift: Efficient Diffusion Model for Image Super-resolution by "
        "Residual Shifting, NeurIPS. arXiv:2307.12348"
    ),
    module="srwizard.models.resshift",
    parameters=(
        *PARAMETERS,
        *sampling_parameters(15),
    ),
    fft=False,
    recommended=False,
    scales=INTEGER_SCALES,
    sizes={
        "tiny": TINY,
        "base": {"inner_channel": 64, "channel_mults": [1, 2, 2, 4], "res_blocks": 2},
        "large": {
            "inner_channel": 160,
            "channel_mults": [1, 2, 2, 4],
            "res_blocks": 2,
            "num_heads": 5,
        },
    },
    check=resshift_problems,
    recipe=Recipe(lr=0.002, warmup=0.05, clip_grad_norm=1.0),
    freed_block=4 * FREED_BLOCK,
)
