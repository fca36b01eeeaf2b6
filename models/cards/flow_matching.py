"""The card of flow matching."""

from srwizard.models.card import FREED_BLOCK, INTEGER_SCALES, ModelCard, Parameter, Recipe
from srwizard.models.cards.denoiser import (
    ENSEMBLE_MEMBERS,
    TINY,
    unet_parameters,
    unet_problems,
)

# Sizes: the U-Nets of DDPM, whose "large" has the width of the paper's for ImageNet at 32 points.
CARD = ModelCard(
    name="FlowMatching",
    family="diffusion",
    summary_en="Straight paths from the LR field to HR: ensembles in 8 steps for a sample",
    summary_zh="沿直线路径从低分辨率场流向高分辨率场：一个样本只需 8 步，可生成集合",
    paper=("Lipman et al. (2023), Flow Matching for Generative Modeling, ICLR. arXiv:2210.02747"),
    module="srwizard.models.flow_matching",
    parameters=(
        *unet_parameters(
            norm_groups=32, channel_mults=(1, 2, 4, 4), attn_res=(16,), image_size=128
        ),
        Parameter(
            "sigma",
            1.0,
            "float",
            "Noise at the start of a path, in standard deviations of what the skip misses",
            "路径起点的噪声，以插值（或所选简单方法）残差的标准差为单位",
            minimum=0.01,
            maximum=20,
        ),
        Parameter(
            "sampler",
            "midpoint",
            "str",
            "How a path is followed: midpoint keeps the spread with few steps, heun less so, both "
            "with two calls of the network a step; euler, with one, loses a third of the variance",
            "沿路径积分的方法：midpoint（中点法）步数少也能保持离散度，heun 稍差，"
            "两者每步调用两次网络；euler（欧拉法）每步一次，会损失约三分之一的方差",
            choices=("midpoint", "heun", "euler"),
        ),
        Parameter(
            "sampling_steps",
            8,
            "int",
            "Steps for one sample",
            "生成一个样本的步数",
            minimum=1,
            maximum=8,
        ),
        ENSEMBLE_MEMBERS,
    ),
    fft=False,
    recommended=False,
    scales=INTEGER_SCALES,
    sizes={
        "tiny": TINY,
        "base": {"inner_channel": 64, "channel_mults": [1, 2, 4, 4], "res_blocks": 2},
        "large": {"inner_channel": 128, "channel_mults": [1, 2, 4, 4], "res_blocks": 2},
    },
    check=unet_problems,
    recipe=Recipe(
        warmup=0.05,
        clip_grad_norm=1.0,
        why_en="those of DDPM, whose network it has; not yet compared with others",
        why_zh="取自使用同一网络的 DDPM；尚未与其他取值比较",
    ),
    freed_block=4 * FREED_BLOCK,
)
