"""The card of HAT."""

from collections.abc import Mapping
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.models.card import INTEGER_SCALES, ModelCard, Parameter, Recipe
from srwizard.models.cards.limits import head_problems, stage_problems, window_problems
from srwizard.models.cards.transformer import groups_of_blocks, mlp_ratio, window_size


def _problems(params: Mapping[str, Any], scale: int, lr_shape: tuple[int, int] | None) -> list[str]:
    """Heads share the channels evenly; what narrows the channels leaves at least one."""
    width = params["embed_dim"]
    return [
        *stage_problems(params["depths"], params["num_heads"]),
        *head_problems("embed_dim", width, params["num_heads"]),
        *window_problems(params["window_size"], lr_shape),
        *(
            _(
                "{name} is {value}, more than the {width} channels of embed_dim; it can be 1 to "
                "{width}.",
                name=name,
                value=params[name],
                width=width,
            )
            for name in ("compress_ratio", "squeeze_factor")
            if params[name] > width
        ),
    ]


# Sizes: "base" is the paper's HAT and "large" its HAT-L (section 4.1), both with windows of 16. The
# defaults have the width, depth and windows of SwinIR's, for one ordinary GPU and for small fields.
CARD = ModelCard(
    name="HAT",
    family="standard",
    summary_en="SwinIR with attention to channels and beyond each window: more accurate, slower",
    summary_zh="在 SwinIR 上加入通道注意力与跨窗口注意力：更精确，也更慢",
    paper=(
        "Chen et al. (2023), Activating More Pixels in Image Super-Resolution Transformer, CVPR. "
        "doi:10.1109/CVPR52729.2023.02142, arXiv:2205.04437"
    ),
    module="srwizard.models.hat",
    parameters=(
        *groups_of_blocks(),
        window_size(8, "low-resolution points", "低分辨率格点数"),
        Parameter(
            "compress_ratio",
            3,
            "int",
            "By how much the convolutions beside the windows narrow the channels",
            "窗口旁卷积分支压缩通道数的倍数",
            minimum=1,
        ),
        Parameter(
            "squeeze_factor",
            30,
            "int",
            "By how much channel attention narrows the channels",
            "通道注意力压缩通道数的倍数",
            minimum=1,
        ),
        Parameter(
            "conv_scale",
            0.01,
            "float",
            "Weight of the convolutions beside the windows",
            "窗口旁卷积分支的权重",
            minimum=0,
            maximum=1,
        ),
        Parameter(
            "overlap_ratio",
            0.5,
            "float",
            "By how much the windows that overlap are larger, relative to window_size",
            "重叠窗口比 window_size 大出的比例",
            minimum=0,
            maximum=1,
        ),
        mlp_ratio(2.0, "embed_dim", " embed_dim "),
    ),
    fft=False,
    recommended=False,
    scales=INTEGER_SCALES,
    sizes={
        "tiny": {"embed_dim": 32, "depths": [4, 4], "num_heads": [4, 4]},
        "base": {
            "embed_dim": 180,
            "depths": [6] * 6,
            "num_heads": [6] * 6,
            "window_size": 16,
        },
        "large": {
            "embed_dim": 180,
            "depths": [6] * 12,
            "num_heads": [6] * 12,
            "window_size": 16,
        },
    },
    check=_problems,
    recipe=Recipe(
        warmup=0.05,
        clip_grad_norm=1.0,
        why_en="those of SwinIR, whose blocks it shares; not yet compared with others",
        why_zh="取自结构相近的 SwinIR；尚未与其他取值比较",
    ),
)
