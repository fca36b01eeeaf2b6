"""The card of DDPM."""

from srwizard.models.card import FREED_BLOCK, INTEGER_SCALES, ModelCard, Recipe
from srwizard.models.cards.denoiser import (
    TINY,
    process_parameters,
    sampling_parameters,
    unet_parameters,
    unet_problems,
)

# Sizes: "large" is as wide as the paper's networks (appendix B: 128 channels, two residual blocks)
# and "base", also the default, half as wide, so that one ordinary GPU trains it on patches.
CARD = ModelCard(
    name="DDPM",
    family="diffusion",
    summary_en="Denoising diffusion: draws ensembles of likely fields, with their spread",
    summary_zh="去噪扩散：生成可能场的集合，并给出其离散度",
    paper=("Ho et al. (2020), Denoising Diffusion Probabilistic Models, NeurIPS. arXiv:2006.11239"),
    module="srwizard.models.ddpm",
    parameters=(
        *unet_parameters(
            norm_groups=32, channel_mults=(1, 2, 4, 4), attn_res=(16,), image_size=128
        ),
        *process_parameters(timesteps=1000),
        *sampling_parameters(32),
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
    recipe=Recipe(warmup=0.05, clip_grad_norm=1.0),
    freed_block=4 * FREED_BLOCK,
)
