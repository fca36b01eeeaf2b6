"""The models there are: the built-in cards and those that installed packages add. Needs no torch.

A package adds a model with an entry point in the group `srwizard.models` that gives a `ModelCard`.
"""

import warnings
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from srwizard.errors import UsageError
from srwizard.i18n import translate as _
from srwizard.models.card import (
    Check,
    Family,
    Kind,
    ModelCard,
    Parameter,
    nearest,
    no_constraints,
    problems,
    resolve_parameters,
)

__all__ = [
    "Check",
    "Family",
    "Kind",
    "ModelCard",
    "Parameter",
    "card",
    "cards",
    "no_constraints",
    "problems",
    "resolve_parameters",
]

ENTRY_POINT_GROUP = "srwizard.models"
SCALES = (2, 3, 4, 5, 6, 7, 8)


def _fno2d_problems(
    params: Mapping[str, Any], scale: int, lr_shape: tuple[int, int] | None
) -> list[str]:
    """A grid of H x W holds H // 2 modes of either sign in y, and W // 2 + 1 in x."""
    if lr_shape is None:
        return []
    height, width = (scale * size for size in lr_shape)
    most = min(height // 2, width // 2 + 1)
    if params["modes"] <= most:
        return []
    return [
        _(
            "modes is {modes}, but a high-resolution grid of {height} x {width} has only {most} "
            "Fourier modes.",
            modes=params["modes"],
            height=height,
            width=width,
            most=most,
        )
    ]


def _swinir_problems(
    params: Mapping[str, Any], scale: int, lr_shape: tuple[int, int] | None
) -> list[str]:
    """Every group of blocks needs its number of heads, and every head an equal share."""
    depths, num_heads, embed_dim = params["depths"], params["num_heads"], params["embed_dim"]
    found = []
    if len(depths) != len(num_heads):
        found.append(
            _(
                "depths has {depths} items and num_heads has {heads}; they must be as many.",
                depths=len(depths),
                heads=len(num_heads),
            )
        )
    found += [
        _(
            "embed_dim is {embed_dim}, which {heads} heads do not divide.",
            embed_dim=embed_dim,
            heads=heads,
        )
        for heads in sorted(set(num_heads))
        if embed_dim % heads
    ]
    return found


# Sizes: "base" is the network of the paper's experiments on Darcy flow (section 5.2), which is
# also the default; "large" has twice its width and modes.
FNO2D = ModelCard(
    name="FNO2d",
    family="standard",
    summary_en="Fourier neural operator: learns in wave-number space, for smooth large-scale flow",
    summary_zh="傅里叶神经算子：在波数空间学习，适合平滑的大尺度流场",
    paper=(
        "Li et al. (2021), Fourier Neural Operator for Parametric Partial Differential Equations, "
        "ICLR. arXiv:2010.08895"
    ),
    module="srwizard.models.fno2d",
    parameters=(
        Parameter("width", 32, "int", "Channels of every layer", "每层的通道数", minimum=1),
        Parameter(
            "modes",
            12,
            "int",
            "Fourier modes kept in each direction; finer waves pass only the 1 x 1 convolutions",
            "每个方向保留的傅里叶模态数；更短的波只经过 1 x 1 卷积",
            minimum=1,
        ),
        Parameter("num_layers", 4, "int", "Fourier layers", "傅里叶层数", minimum=1),
    ),
    fft=True,
    recommended=False,
    scales=SCALES,
    sizes={
        "tiny": {"width": 16, "modes": 8, "num_layers": 4},
        "base": {"width": 32, "modes": 12, "num_layers": 4},
        "large": {"width": 64, "modes": 24, "num_layers": 4},
    },
    check=_fno2d_problems,
)

# Sizes: "base" is the paper's network for classical super-resolution (section 4.1) and "large" the
# authors' SwinIR-L for real-world images. The defaults are the width and depth of its lightweight
# network, which trains on one ordinary GPU, with the up-sampler of the classical one.
SWINIR = ModelCard(
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
        Parameter(
            "embed_dim",
            60,
            "int",
            "Channels of the transformer; each of num_heads must divide it",
            "Transformer 的通道数；须能被 num_heads 的每一项整除",
            minimum=4,
        ),
        Parameter(
            "depths",
            (6, 6, 6, 6),
            "ints",
            "Transformer blocks in each residual group",
            "每个残差组中的 Transformer 块数",
            minimum=1,
        ),
        Parameter(
            "num_heads",
            (6, 6, 6, 6),
            "ints",
            "Attention heads in each residual group; as many items as depths",
            "每个残差组的注意力头数；项数与 depths 相同",
            minimum=1,
        ),
        Parameter(
            "window_size",
            8,
            "int",
            "Side of the attention window, in low-resolution points",
            "注意力窗口的边长（低分辨率格点数）",
            minimum=2,
            maximum=64,
        ),
        Parameter(
            "mlp_ratio",
            2.0,
            "float",
            "Hidden channels of the feed-forward part, as a multiple of embed_dim",
            "前馈部分隐藏通道数与 embed_dim 之比",
            minimum=0.25,
            maximum=16,
        ),
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
    recommended=True,
    scales=SCALES,
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
    check=_swinir_problems,
)

# Sizes: "base" is the paper's baseline, which is also the default, and "large" its final EDSR
# (table 1).
EDSR = ModelCard(
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
        Parameter("num_features", 64, "int", "Channels of every block", "每块的通道数", minimum=1),
        Parameter("num_blocks", 16, "int", "Residual blocks", "残差块数", minimum=1),
        Parameter(
            "res_scale",
            1.0,
            "float",
            "Factor on every residual; 0.1 keeps wide networks stable",
            "残差的缩放系数；较宽的网络取 0.1 更稳定",
            minimum=0,
            maximum=1,
        ),
    ),
    fft=False,
    recommended=False,
    scales=SCALES,
    sizes={
        "tiny": {"num_features": 32, "num_blocks": 8, "res_scale": 1.0},
        "base": {"num_features": 64, "num_blocks": 16, "res_scale": 1.0},
        "large": {"num_features": 256, "num_blocks": 32, "res_scale": 0.1},
    },
)


@cache
def cards() -> dict[str, ModelCard]:
    """Return the cards by name: the built-in ones in the order of the menu, then third parties'.

    A third party's card that cannot be loaded, or that takes a name already there, is left out
    with a warning: one broken package must not keep the others from working.
    """
    known = {builtin.name: builtin for builtin in (FNO2D, SWINIR, EDSR)}
    for entry_point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda e: e.name):
        try:
            found = entry_point.load()
        except Exception as error:  # whatever the third party's code raises
            _warn_left_out(entry_point.name, f"{type(error).__name__}: {error}")
            continue
        if not isinstance(found, ModelCard):
            _warn_left_out(entry_point.name, _("it gives no ModelCard"))
        elif found.name in known:
            _warn_left_out(entry_point.name, _("the name {name} is taken", name=found.name))
        else:
            known[found.name] = found
    return known


def card(name: str) -> ModelCard:
    """Return the card of the model `name`.

    Raises:
        UsageError: there is no such model; the message names the nearest one.
    """
    known = cards()
    if name not in known:
        raise UsageError(
            _(
                "There is no model {name}; the nearest is {nearest}.",
                name=name,
                nearest=nearest(name, known),
            ),
            hint=_("The models: {names}.", names=", ".join(known)),
        )
    return known[name]


def _warn_left_out(name: str, reason: str) -> None:
    warnings.warn(
        _("The model package {name} is left out: {reason}.", name=name, reason=reason),
        stacklevel=3,
    )
