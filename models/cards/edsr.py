"""The card of EDSR."""

from srwizard.models.card import INTEGER_SCALES, ModelCard, Parameter
from srwizard.models.cards.residual_trunk import NUM_FEATURES, RES_SCALE

# Sizes: "base" is the paper's baseline, which is also the default, and "large" its final EDSR
# (table 1).
CARD = ModelCard(
    name="EDSR",
    family="standard",
    summary_en="Deep residual convolutions: plain, sturdy and quick, a sound baseline",
    summary_zh="深层残差卷积：简单、稳健、快速，可靠的基线",
    paper=(
        "Lim et al. (2017), Enhanced Deep Residual Networks for Single Image Super-Resolution, "
        "CVPR Workshops. doi:10.1109/CVPRW.2017.151, arXiv:1707.02921"
    ),
    module="srwizard.models.edsr",
    parameters=(
        NUM_FEATURES,
        Parameter("num_blocks", 16, "int", "Residual blocks", "残差块数", minimum=1),
        RES_SCALE,
    ),
    fft=False,
    local=True,
    recommended=False,
    scales=INTEGER_SCALES,
    sizes={
        "tiny": {"num_features": 32, "num_blocks": 8, "res_scale": 1.0},
        "base": {"num_features": 64, "num_blocks": 16, "res_scale": 1.0},
        "large": {"num_features": 256, "num_blocks": 32, "res_scale": 0.1},
    },
)
