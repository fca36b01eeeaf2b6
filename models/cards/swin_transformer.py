"""The card of Swin_Transformer."""

from collections.abc import Mapping
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.models.card import INTEGER_SCALES, ModelCard, Parameter, Recipe
from srwizard.models.cards.limits import head_problems, stage_problems, window_problems
from srwizard.models.cards.transformer import mlp_ratio, window_size


def _problems(params: Mapping[str, Any], scale: int, lr_shape: tuple[int, int] | None) -> list[str]:
    """Heads share the channels of their stage; the last stage still has a patch to attend to."""
    depths, num_heads, patch = params["depths"], params["num_heads"], params["patch_size"]
    found = stage_problems(depths, num_heads)
    for stage, heads in enumerate(num_heads):
        found += head_problems(
            _("embed_dim of stage {stage}", stage=stage + 1),
            params["embed_dim"] * 2**stage,
            [heads],
        )
    if lr_shape is None:
        return found
    grid = (-(-lr_shape[0] // patch), -(-lr_shape[1] // patch))
    most = min(grid).bit_length()
    if len(depths) > most:
        found.append(
            _(
                "depths has {stages} stages, each half as fine as the one before, but there are "
                "only {height} x {width} patches; it allows 1 to {most}.",
                stages=len(depths),
                height=grid[0],
                width=grid[1],
                most=most,
            )
        )
    if patch == 1:
        return found + window_problems(params["window_size"], lr_shape)
    if params["window_size"] > min(grid):
        found.append(
            _(
                "window_size is {window}, but there are only {height} x {width} patches; "
                "it can be 2 to {most}.",
                window=params["window_size"],
                height=grid[0],
                width=grid[1],
                most=min(grid),
            )
        )
    return found


# Sizes: the default, which is also "base", is the authors' Swin-T and "large" their Swin-S
# (section 3.3). A patch is a single point: theirs of 4 x 4 suit photographs that need not be
# given back point by point.
CARD = ModelCard(
    name="Swin_Transformer",
    family="standard",
    summary_en="SwinSR: window attention on ever coarser stages, from eddies to basins",
    summary_zh="SwinSR：在逐级变粗的网格上做窗口注意力，兼顾涡旋与海盆尺度",
    paper=(
        "Liu et al. (2021), Swin Transformer: Hierarchical Vision Transformer using Shifted "
        "Windows, ICCV. doi:10.1109/ICCV48922.2021.00986, arXiv:2103.14030"
    ),
    module="srwizard.models.swin_transformer",
    parameters=(
        Parameter(
            "depths",
            (2, 2, 6, 2),
            "ints",
            "Transformer blocks in each stage; each stage has half the resolution",
            "每级的 Transformer 块数；每下一级分辨率减半",
            minimum=1,
        ),
        Parameter(
            "num_heads",
            (3, 6, 12, 24),
            "ints",
            "Attention heads in each stage; as many items as depths",
            "每级的注意力头数；项数与 depths 相同",
            minimum=1,
        ),
        Parameter(
            "embed_dim",
            96,
            "int",
            "Channels of the first stage; they double from stage to stage",
            "第一级的通道数；逐级加倍",
            minimum=4,
        ),
        window_size(7, "patches", "图块数"),
        Parameter(
            "patch_size",
            1,
            "int",
            "Side of a patch, in low-resolution points; 2 or 4 saves time on large fields",
            "图块的边长（低分辨率格点数）；场较大时取 2 或 4 可节省时间",
            minimum=1,
            maximum=8,
        ),
        mlp_ratio(4.0, "the channels of the stage", "该级通道数"),
    ),
    fft=False,
    local=True,
    recommended=False,
    scales=INTEGER_SCALES,
    sizes={
        "tiny": {
            "embed_dim": 32,
            "depths": [2, 2],
            "num_heads": [2, 4],
            "window_size": 4,
            "mlp_ratio": 2.0,
        },
        "base": {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24]},
        "large": {"embed_dim": 96, "depths": [2, 2, 18, 2], "num_heads": [3, 6, 12, 24]},
    },
    check=_problems,
    recipe=Recipe(warmup=0.05, clip_grad_norm=1.0),
)
