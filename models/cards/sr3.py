"""The card of SR3."""

from srwizard.models.card import FREED_BLOCK, INTEGER_SCALES, ModelCard, Recipe
from srwizard.models.cards.denoiser import (
    TINY,
    process_parameters,
    sampling_parameters,
    unet_parameters,
    unet_problems,
)

# Sizes: "large" has the channels and levels of the paper's network for 16 -> 128 points, but two
# residual blocks instead of three; "base", also the default, has half its width.
CARD = ModelCard(
    name="SR3",
    family="diffusion",
    summary_en="Diffusion told the noise level: deeper than DDPM, for ratios of 4 and more",
    summary_zh="以噪声水平为条件的扩散模型：比 DDPM 更深，适合 4 倍及以上的放大",
    paper=(
        "Saharia et al. (2021), Image Super-Resolution via Iterative Refinement, IEEE TPAMI. "
        "doi:10.1109/TPAMI.2022.3204461, arXiv:2104.07636"
    ),
    module="srwizard.models.sr3",
    parameters=(
        *unet_parameters(
            norm_groups=16, channel_mults=(1, 2, 4, 8, 8), attn_res=(16,), image_size=128
        ),
        *process_parameters(timesteps=2000),
        *sampling_parameters(32),
    ),
    fft=False,
    recommended=False,
    scales=INTEGER_SCALES,
    sizes={
        "tiny": TINY,
        "base": {"inner_channel": 64, "channel_mults": [1, 2, 4, 8, 8], "res_blocks": 2},
        "large": {"inner_channel": 128, "channel_mults": [1, 2, 4, 8, 8], "res_blocks": 2},
    },
    check=unet_problems,
    recipe=Recipe(warmup=0.05, clip_grad_norm=1.0),
    freed_block=4 * FREED_BLOCK,
)
