"""What the cards of all diffusion models share: the parameters of their U-Net and their sampler."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.models.card import Parameter
from srwizard.models.cards.limits import divisors

TINY: Mapping[str, Any] = {
    "inner_channel": 32,
    "norm_groups": 8,
    "channel_mults": [1, 2, 2],
    "attn_res": [],
    "res_blocks": 1,
}
"""The size of that name of every model."""

COEFFICIENTS = 4
"""That share the channels of the V-cycles, see `multigrid_denoiser`."""

ENSEMBLE_MEMBERS = Parameter(
    "ensemble_members",
    8,
    "int",
    "Samples drawn of each field of the test split; their mean is scored, with spread and CRPS",
    "测试集每个场的采样数；对集合平均评分，并给出离散度与 CRPS",
    minimum=1,
    maximum=1000,
)


def unet_parameters(
    *, norm_groups: int, channel_mults: tuple[int, ...], attn_res: tuple[int, ...], image_size: int
) -> tuple[Parameter, ...]:
    """Return the parameters of the U-Net with a model's own defaults."""
    return (
        Parameter(
            "norm_groups",
            norm_groups,
            "int",
            "Groups of every normalization; must divide inner_channel",
            "每次组归一化的组数；须能整除 inner_channel",
            minimum=1,
        ),
        Parameter(
            "inner_channel",
            64,
            "int",
            "Channels of the first level; an even number that norm_groups divides",
            "第一层级的通道数；须为偶数，且能被 norm_groups 整除",
            minimum=2,
        ),
        Parameter(
            "channel_mults",
            channel_mults,
            "ints",
            "Channels of each level, as multiples of inner_channel; each halves the resolution",
            "各层级通道数与 inner_channel 之比；每下一层级分辨率减半",
            minimum=1,
        ),
        Parameter(
            "attn_res",
            attn_res,
            "ints",
            "Levels with attention, by the side that a field of image_size has there; the lowest "
            "always has it",
            "带注意力的层级，以边长 image_size 的场在该层级的边长表示；最低层级总有注意力",
            minimum=0,
            may_be_empty=True,
        ),
        Parameter(
            "res_blocks",
            2,
            "int",
            "Residual blocks of each level",
            "每个层级的残差块数",
            minimum=1,
        ),
        Parameter(
            "dropout",
            0.0,
            "float",
            "Probability of dropout in each block",
            "每块中随机失活的概率",
            minimum=0,
            maximum=0.9,
        ),
        Parameter(
            "image_size",
            image_size,
            "int",
            "Side of the field that attn_res counts from; fields of any size will do",
            "attn_res 所依据的场的边长；实际的场可为任意大小",
            minimum=1,
        ),
    )


def process_parameters(timesteps: int) -> tuple[Parameter, ...]:
    """Return the parameters of noising and of what is learnt, for DDPM and SR3."""
    return (
        Parameter(
            "denoiser",
            "unet",
            "str",
            "The network: the U-Net of the paper, or multigrid, V-cycles on as many grids as there "
            "are channel_mults; no paper stands behind these",
            "网络：论文的 unet，或 multigrid（V 循环，网格级数为 channel_mults 项数；无论文依据）",
            choices=("unet", "multigrid"),
        ),
        Parameter(
            "timesteps",
            timesteps,
            "int",
            "Steps in which noise is added in training",
            "训练时加噪的步数",
            minimum=2,
            maximum=10000,
        ),
        Parameter(
            "schedule",
            "cosine",
            "str",
            "How the noise grows: linear as in the paper, or cosine, gentler at first",
            "噪声增长方式：论文的 linear（线性），或开始较缓的 cosine（余弦）",
            choices=("linear", "cosine"),
        ),
        Parameter(
            "prediction",
            "v",
            "str",
            "What the network predicts: the noise (the paper), the field, or a mixture of both",
            "网络预测的量：噪声 epsilon（论文）、场 x0，或两者的组合 v",
            choices=("epsilon", "x0", "v"),
        ),
        Parameter(
            "target",
            "residual",
            "str",
            "What is modelled: what the method that the network starts from misses (bicubic "
            "interpolation without one), or the whole field (the paper)",
            "建模对象：网络起始方法（未设时为双三次插值）之外的残差 residual，"
            "或整个场 field（论文）",
            choices=("residual", "field"),
        ),
    )


def sampling_parameters(steps: int) -> tuple[Parameter, ...]:
    """Return the parameters of drawing samples, in so many steps."""
    return (
        Parameter(
            "sampler",
            "dpm_solver",
            "str",
            "How samples are drawn: dpm_solver keeps the spread with few steps; ddim, and "
            "ancestral, which draws noise in every step, need hundreds for that",
            "采样方式：dpm_solver 步数少也能保持离散度；"
            "ddim 和每步都加入噪声的 ancestral 需要数百步",
            choices=("dpm_solver", "ddim", "ancestral"),
        ),
        Parameter(
            "sampling_steps",
            steps,
            "int",
            "Calls of the network for one sample; at most timesteps",
            "生成一个样本时调用网络的次数；不超过 timesteps",
            minimum=1,
        ),
        ENSEMBLE_MEMBERS,
    )


def unet_problems(
    params: Mapping[str, Any], scale: int, lr_shape: tuple[int, int] | None
) -> list[str]:
    """Return what keeps U-Net and sampler from working together and on this grid."""
    found = []
    inner, groups = params["inner_channel"], params["norm_groups"]
    if inner % 2:
        found.append(_("inner_channel is {inner}; it must be even.", inner=inner))
    if inner % groups:
        found.append(
            _(
                "inner_channel is {inner}, which {groups} norm_groups do not divide; it allows "
                "{allowed}.",
                inner=inner,
                groups=groups,
                allowed=divisors(inner),
            )
        )
    if params.get("denoiser") == "multigrid" and inner % COEFFICIENTS:
        found.append(
            _(
                "inner_channel is {inner}; with the denoiser multigrid it must be a multiple of "
                "{divisor}.",
                inner=inner,
                divisor=COEFFICIENTS,
            )
        )
    if params["sampling_steps"] > params.get("timesteps", math.inf):
        found.append(
            _(
                "sampling_steps is {steps}, which is more than the {timesteps} timesteps.",
                steps=params["sampling_steps"],
                timesteps=params["timesteps"],
            )
        )
    if lr_shape is not None:
        found += _too_many_levels(len(params["channel_mults"]), [scale * n for n in lr_shape])
    return found


def _too_many_levels(levels: int, hr_shape: Sequence[int]) -> list[str]:
    """Return a message if a field is halved so often that it would be padding for the most part."""
    most = min(hr_shape).bit_length()
    if levels <= most:
        return []
    height, width = hr_shape
    return [
        _(
            "channel_mults has {levels} levels, but a high-resolution field of {height} x {width} "
            "allows 1 to {most}.",
            levels=levels,
            height=height,
            width=width,
            most=most,
        )
    ]
