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


def groups_of_blocks() -> tuple[Parameter, ...]:
    """Return depth, heads and width of a network of residual groups, with SwinIR's defaults."""
    return (
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
            "embed_dim",
            60,
            "int",
            "Channels of the transformer; each of num_heads must divide it",
            "Transformer 的通道数；须能被 num_heads 的每一项整除",
            minimum=4,
        ),
    )
