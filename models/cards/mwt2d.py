"""The card of MWT2d."""

from collections.abc import Mapping
from typing import Any

from srwizard.base.i18n import translate_count as _n
from srwizard.models.card import INTEGER_SCALES, ModelCard, Parameter, Recipe


def _problems(params: Mapping[str, Any], scale: int, lr_shape: tuple[int, int] | None) -> list[str]:
    """The finest wavelets stand on a grid half as fine as the low-resolution field."""
    if lr_shape is None:
        return []
    height, width = (-(-size // 2) for size in lr_shape)
    most = max(1, min(height // 2, width // 2 + 1))
    if params["modes"] <= most:
        return []
    return [
        _n(
            "modes is {modes}, but the finest wavelets, on a grid of {height} x {width}, have "
            "only {most} Fourier mode.",
            "modes is {modes}, but the finest wavelets, on a grid of {height} x {width}, have "
            "only {most} Fourier modes.",
            most,
            modes=params["modes"],
            height=height,
            width=width,
            most=most,
        )
    ]


# Sizes: "base" is the authors' network for Darcy flow, which is also the default.
CARD = ModelCard(
    name="MWT2d",
    family="standard",
    summary_en="Multiwavelet neural operator: the same kernels on every scale of the field",
    summary_zh="多小波神经算子：在场的每一个尺度上使用同样的核",
    paper=(
        "Gupta et al. (2021), Multiwavelet-based Operator Learning for Differential Equations, "
        "NeurIPS. arXiv:2109.13459"
    ),
    module="srwizard.models.mwt2d",
    parameters=(
        Parameter(
            "k",
            3,
            "int",
            "Legendre polynomials in each direction",
            "每个方向的勒让德多项式个数",
            minimum=1,
            maximum=8,
        ),
        Parameter(
            "c",
            4,
            "int",
            "Channels, of k * k coefficients each",
            "通道数，每个含 k * k 个系数",
            minimum=1,
        ),
        Parameter(
            "modes",
            12,
            "int",
            "Fourier modes kept in each direction, on every scale",
            "每个尺度上每个方向保留的傅里叶模态数",
            minimum=1,
        ),
        Parameter("num_layers", 4, "int", "Multiwavelet layers", "多小波层数", minimum=1),
    ),
    fft=True,
    recommended=False,
    scales=INTEGER_SCALES,
    sizes={
        "tiny": {"k": 2, "c": 4, "modes": 6, "num_layers": 3},
        "base": {"k": 3, "c": 4, "modes": 12, "num_layers": 4},
        "large": {"k": 4, "c": 4, "modes": 12, "num_layers": 4},
    },
    check=_problems,
    recipe=Recipe(lr=0.004, warmup=0.05, clip_grad_norm=1.0),
)
