"""HAT: hybrid attention transformer (Chen et al. 2023, arXiv:2205.04437).

Parameters carry the names of the authors' state dict. Left out, as in `swinir`, are the mean shift
of RGB images and the stochastic depth of the authors' code.
"""

from functools import partial

from torch import Tensor, nn

from srwizard.models.checkpointing import run_block
from srwizard.models.hat_blocks import ChannelAttentionBlock, HybridBlock, OverlappingBlock
from srwizard.models.swin import WindowOrders
from srwizard.models.swinir import SwinNetwork


class ResidualHybridGroup(nn.Module):
    """Residual hybrid attention group, RHAG: hybrid blocks, an overlapping one, a convolution."""

    def __init__(self, blocks: list[HybridBlock], last: OverlappingBlock, dim: int) -> None:
        super().__init__()
        self.residual_group = nn.ModuleDict({"blocks": nn.ModuleList(blocks), "overlap_attn": last})
        self.conv = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x: Tensor, orders: WindowOrders, checkpointed: bool) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        y = x
        for block in self.residual_group["blocks"].children():
            y = run_block(partial(block, orders=orders), y, checkpointed=checkpointed)
        y = run_block(self.residual_group["overlap_attn"], y, checkpointed=checkpointed)
        residual: Tensor = self.conv(y)
        return x + residual


class HAT(SwinNetwork):
    """SwinIR's frame around hybrid groups (section 3.2, figure 2).

    Args:
        in_channels: channels of the low-resolution input.
        out_channels: channels of the super-resolved output.
        scale: ratio HR/LR, 2 or more.
        embed_dim: channels of the transformer; a multiple of every item of `num_heads`.
        depths: hybrid blocks in each residual group.
        num_heads: attention heads in each residual group.
        window_size: side of the attention window.
        compress_ratio: by how much the convolutions beside the windows narrow the channels.
        squeeze_factor: by how much their channel attention does.
        conv_scale: their weight, called alpha in the paper.
        overlap_ratio: by how much the window that is asked is larger, relative to `window_size`.
        mlp_ratio: hidden channels of the feed-forward part, relative to `embed_dim`.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        scale: int,
        embed_dim: int = 60,
        depths: tuple[int, ...] | list[int] = (6, 6, 6, 6),
        num_heads: tuple[int, ...] | list[int] = (6, 6, 6, 6),
        window_size: int = 8,
        compress_ratio: int = 3,
        squeeze_factor: int = 30,
        conv_scale: float = 0.01,
        overlap_ratio: float = 0.5,
        mlp_ratio: float = 2.0,
    ) -> None:
        def group(depth: int, heads: int) -> nn.Module:
            attention = (embed_dim, heads, window_size)
            blocks = [
                HybridBlock(
                    *attention,
                    mlp_ratio,
                    ChannelAttentionBlock(embed_dim, compress_ratio, squeeze_factor),
                    conv_scale,
                    shifted=bool(i % 2),
                )
                for i in range(depth)
            ]
            last = OverlappingBlock(*attention, overlap_ratio, mlp_ratio)
            return ResidualHybridGroup(blocks, last, embed_dim)

        groups = [partial(group, *each) for each in zip(depths, num_heads, strict=True)]
        super().__init__(in_channels, out_channels, scale, embed_dim, window_size, groups)
