"""SwinIR: image restoration with the Swin transformer (Liang et al. 2021, arXiv:2108.10257).

Parameters carry the names of the authors' state dict. Left out are the mean shift of RGB images
(ocean fields come normalised) and the stochastic depth of the authors' code (not in the paper),
so that training computes one function, with gradient checkpointing or without.
"""

from collections.abc import Callable, Iterable
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.padding import pad_to_multiple
from srwizard.models.swin import CachedOrders, SwinBlock, WindowOrders, channel_norm, run_blocks
from srwizard.models.upsampling import pixel_shuffle_stages, prime_factors

UPSAMPLING_FEATURES = 64  # channels of the up-samplers in every network of the paper


def residual_convolution(channels: int, kind: str) -> nn.Module:
    """Return the convolution that ends a residual group: "1conv", or "3conv" with a bottleneck."""
    if kind == "1conv":
        return nn.Conv2d(channels, channels, 3, padding=1)
    if kind == "3conv":
        return nn.Sequential(
            nn.Conv2d(channels, channels // 4, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(channels // 4, channels // 4, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(channels // 4, channels, 3, padding=1),
        )
    raise ValueError(f"resi_connection is {kind!r}, neither '1conv' nor '3conv'")


class ResidualSwinGroup(nn.Module):
    """Residual Swin transformer block, RSTB (section 3.2): Swin blocks, a convolution, a skip."""

    def __init__(
        self, dim: int, depth: int, num_heads: int, window: int, mlp_ratio: float, connection: str
    ) -> None:
        super().__init__()
        blocks = nn.ModuleList(
            # Windows are shifted by half in every second block (section 3.2).
            SwinBlock(dim, num_heads, window, mlp_ratio, shifted=bool(i % 2))
            for i in range(depth)
        )
        self.residual_group = nn.ModuleDict({"blocks": blocks})
        self.conv = residual_convolution(dim, connection)

    def forward(self, x: Tensor, orders: WindowOrders, checkpointed: bool) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        blocks = self.residual_group["blocks"].children()
        return x + run_blocks(blocks, x, orders, checkpointed=checkpointed, end=self.conv)


class SwinNetwork(nn.Module):
    """Shallow convolution, deep features of groups of blocks, reconstruction (section 3.1).

    Args:
        in_channels: channels of the low-resolution input.
        out_channels: channels of the super-resolved output.
        scale: ratio HR/LR, 2 or more.
        embed_dim: channels of the groups.
        window_size: side of the attention window.
        groups: what make the groups; they map [B, C, H, W], orders of its points and whether to
            checkpoint to the same shape.
        upsampler, connection: see `SwinIR`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        embed_dim: int,
        window_size: int,
        groups: Iterable[Callable[[], nn.Module]],
        upsampler: str = "pixelshuffle",
        connection: str = "1conv",
    ) -> None:
        super().__init__()
        self.gradient_checkpointing: bool = False
        self.scale = scale
        self.window_size = window_size
        self.upsampler = upsampler
        self._orders = CachedOrders(window_size)

        self.conv_first = nn.Conv2d(in_channels, embed_dim, 3, padding=1)
        self.patch_embed = nn.ModuleDict({"norm": nn.LayerNorm(embed_dim)})
        self.layers = nn.ModuleList(group() for group in groups)
        self.norm = nn.LayerNorm(embed_dim)
        self.conv_after_body = residual_convolution(embed_dim, connection)
        self._build_upsampler(embed_dim, out_channels)

    def _build_upsampler(self, embed_dim: int, out_channels: int) -> None:
        features = UPSAMPLING_FEATURES
        if self.upsampler == "pixelshuffledirect":
            self.upsample = nn.Sequential(
                nn.Conv2d(embed_dim, out_channels * self.scale**2, 3, padding=1),
                nn.PixelShuffle(self.scale),
            )
            return
        self.conv_before_upsample = nn.Sequential(
            nn.Conv2d(embed_dim, features, 3, padding=1), nn.LeakyReLU(inplace=True)
        )
        if self.upsampler == "pixelshuffle":
            self.upsample = pixel_shuffle_stages(features, self.scale)
        elif self.upsampler == "nearest+conv":
            # The authors' conv_up1 and conv_up2, and as many more as the scale has prime factors.
            for i in range(1, len(prime_factors(self.scale)) + 1):
                self.add_module(f"conv_up{i}", nn.Conv2d(features, features, 3, padding=1))
            self.conv_hr = nn.Conv2d(features, features, 3, padding=1)
        else:
            raise ValueError(f"there is no upsampler {self.upsampler!r}")
        self.conv_last = nn.Conv2d(features, out_channels, 3, padding=1)

    def output_layer(self) -> nn.Conv2d:
        """Return the layer that the output comes from."""
        layer = self.upsample[0] if self.upsampler == "pixelshuffledirect" else self.conv_last
        assert isinstance(layer, nn.Conv2d)
        return layer

    def forward(self, lr: Tensor) -> Tensor:
        """Map [B, in_channels, h, w] to [B, out_channels, h * scale, w * scale]."""
        height, width = lr.shape[-2:]
        shallow: Tensor = self.conv_first(pad_to_multiple(lr, self.window_size))
        deep = shallow + self.conv_after_body(self._deep_features(shallow))
        return self._reconstruct(deep)[..., : height * self.scale, : width * self.scale]

    def _deep_features(self, shallow: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape; in memory, channels stand last."""
        checkpointed = self.training and self.gradient_checkpointing
        orders = self._orders.of(shallow)
        x = channel_norm(self.patch_embed["norm"], shallow)
        for layer in self.layers:
            x = layer(x, orders, checkpointed)
        return channel_norm(self.norm, x)

    def _reconstruct(self, deep: Tensor) -> Tensor:
        """Map [B, embed_dim, H, W] to [B, out_channels, H * scale, W * scale]."""
        sr: Tensor
        if self.upsampler == "pixelshuffledirect":
            sr = self.upsample(deep)
        elif self.upsampler == "pixelshuffle":
            sr = self.conv_last(self.upsample(self.conv_before_upsample(deep)))
        else:
            x: Tensor = self.conv_before_upsample(deep)
            for i, factor in enumerate(prime_factors(self.scale), start=1):
                x = functional.interpolate(x, scale_factor=factor, mode="nearest")
                x = self.get_submodule(f"conv_up{i}")(x)
                x = functional.leaky_relu(x, 0.2, inplace=True)
            x = functional.leaky_relu(self.conv_hr(x), 0.2, inplace=True)
            sr = self.conv_last(x)
        return sr


class SwinIR(SwinNetwork):
    """Residual groups of Swin blocks within the frame of `SwinNetwork` (figure 2).

    Args:
        in_channels: channels of the low-resolution input.
        out_channels: channels of the super-resolved output.
        scale: ratio HR/LR, 2 or more.
        embed_dim: channels of the transformer; a multiple of every item of `num_heads`.
        depths: Swin blocks in each residual group.
        num_heads: attention heads in each residual group.
        window_size: side of the attention window.
        mlp_ratio: hidden channels of the feed-forward part, relative to `embed_dim`.
        upsampler: "pixelshuffle" (classical), "pixelshuffledirect" (lightweight: one convolution
            straight to the output) or "nearest+conv" (real-world: free of checkerboards).
        resi_connection: "1conv" or "3conv".
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
        mlp_ratio: float = 2.0,
        upsampler: str = "pixelshuffle",
        resi_connection: str = "1conv",
    ) -> None:
        groups = [
            partial(
                ResidualSwinGroup, embed_dim, depth, heads, window_size, mlp_ratio, resi_connection
            )
            for depth, heads in zip(depths, num_heads, strict=True)
        ]
        super().__init__(
            in_channels,
            out_channels,
            scale,
            embed_dim,
            window_size,
            groups,
            upsampler,
            resi_connection,
        )
