"""Parameters of the networks with transformer blocks."""

from srwizard.models.card import Parameter


def window_size(default: int, units_en: str, units_zh: str) -> Parameter:
    """Return the side of the attention window, in these units."""
    return Parameter(
        "window_size",
        default,
        "int",
        f"Side of the attention window, in {units_en}",
        f"注意力窗口的边长（{units_zh}）",
        minimum=2,
        maximum=64,
    )


def mlp_ratio(default: float, channels_en: str, channels_zh: str) -> Parameter:
    """Return the width of the feed-forward part, as a multiple of these channels."""
    return Parameter(
        "mlp_ratio",
        default,
        "float",
        f"Hidden channels of the feed-forward part, as a multiple of {channels_en}",
        f"前馈部分隐藏通道数与{channels_zh}之比",
        minimum=0.25,
        maximum=16,
    )
