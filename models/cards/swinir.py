"""The card of SwinIR."""

from collections.abc import Mapping
from typing import Any

from srwizard.models.card import INTEGER_SCALES, ModelCard, Parameter, Recipe
from srwizard.models.cards.limits import head_problems, stage_problems, window_problems
from srwizard.models.cards.transformer import groups_of_blocks, mlp_ratio, window_size


def _problems(params: Mapping[str, Any], scale: int, lr_shape: tuple[int, int] | None) -> list[str]:
    """Every group of blocks needs its number of heads, and every head an equal share."""
    return [
        *stage_problems(params["depths"], params["num_heads"]),
        *head_problems("embed_dim", params["embed_dim"], params["num_heads"]),
        *window_problems(params["window_size"], lr_shape),
    ]


# Sizes: "base" is the paper's network for classical super-resolution (section 4.1) and "large" the
# authors' SwinIR-L for real-world images. The defaults are the width and depth of its lightweight
# network, which trains on one ordinary GPU, with the up-sampler of the classical one.
CARD = ModelCard(
    name="SwinIR",
    family="standard",
    summary_en="Swin transformer: attention within shifted windows, for sharp fronts and eddies",
    summary_zh="Swin Transformer：移动窗口内的注意力，适合锋面与涡旋等细节",
    paper=(
        "Liang et al. (2021), SwinIR: Image Restoration Using Swin Transformer, ICCV Workshops. "
        "doi:10.1109/ICCVW54120.2021.00210, arXiv:2108.10257"
    ),
    module="srwizard.models.swinir",
    parameters=(
        *groups_of_blocks(),
        window_size(8, "low-resolution points", "低分辨率格点数"),
        mlp_ratio(2.0, "embed_dim", " embed_dim "),
        Parameter(
            "upsampler",
            "pixelshuffle",
            "str",
            "How the field is enlarged: in stages, in one light step, or by copying and smoothing",
            "放大方式：逐级像素重排、一步轻量重排，或最近邻复制加卷积",
            choices=("pixelshuffle", "pixelshuffledirect", "nearest+conv"),
        ),
        Parameter(
            "resi_connection",
            "1conv",
            "str",
            "Convolutions at the end of a residual group: one, or three with a bottleneck",
            "残差组末尾的卷积：一个，或带瓶颈的三个",
            choices=("1conv", "3conv"),
        ),
    ),
    fft=False,
    local=True,
    recommended=True,
    scales=INTEGER_SCALES,
    sizes={
        "tiny": {"embed_dim": 32, "depths": [4, 4], "num_heads": [4, 4]},
        "base": {"embed_dim": 180, "depths": [6] * 6, "num_heads": [6] * 6},
        "large": {
            "embed_dim": 240,
            "depths": [6] * 9,
            "num_heads": [8] * 9,
            "upsampler": "nearest+conv",
            "resi_connection": "3conv",
        },
    },
    check=_problems,
    recipe=Recipe(warmup=0.05, clip_grad_norm=1.0),
)
