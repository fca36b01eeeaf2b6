"""Swin_Transformer: what its paper says of patches, windows and stages."""

import torch

from srwizard.models import build
from srwizard.models.swin_transformer import (
    PatchExpanding,
    PatchMerging,
    Swin_Transformer,
    SwinStage,
)
from tests.small_networks import SMALL


def test_merging_joins_two_by_two_patches() -> None:
    torch.manual_seed(0)
    layer, x = PatchMerging(3), torch.randn(2, 3, 4, 6)
    merged = layer(x)
    assert merged.shape == (2, 6, 2, 3)
    # The order of the authors' code: down first, then to the right.
    corners = [x[:, :, 2, 4], x[:, :, 3, 4], x[:, :, 2, 5], x[:, :, 3, 5]]
    expected = layer.reduction(layer.norm(torch.cat(corners, dim=1)))
    torch.testing.assert_close(merged[:, :, 1, 2], expected)


def test_expanding_is_linear_in_each_patch() -> None:
    layer, x = PatchExpanding(4, 2, 3), torch.randn(1, 4, 2, 2)
    fine = layer(x, (5, 6))
    assert fine.shape == (1, 2, 5, 6)
    changed = x.clone()
    changed[:, :, 0, 1] += 1
    seen = (layer(changed, (5, 6)) != fine).any(dim=1)[0]
    assert seen[:3, 3:].all() and not seen[3:].any() and not seen[:, :3].any()


def seen_from_corner(depth: int) -> torch.Tensor:
    """Return which points of an 8 x 8 field see a change at (1, 1), with windows of 4."""
    torch.manual_seed(0)
    stage, x = SwinStage(8, depth, 2, 4, 2.0), torch.randn(1, 8, 8, 8)
    for part in stage.parameters():
        torch.nn.init.normal_(part, std=0.5)
    changed = x.clone()
    changed[:, :, 1, 1] = torch.randn(8)
    with torch.no_grad():
        return (stage(changed, False) != stage(x, False)).any(dim=1)[0]


def test_shifted_windows_connect_what_windows_part() -> None:
    alone, connected = seen_from_corner(1), seen_from_corner(2)
    assert alone[:4, :4].all() and not alone[4:].any() and not alone[:, 4:].any()
    assert connected[:6, :6].all()
    # Points that only the cyclic shift brings together stay apart.
    assert not connected[6:].any() and not connected[:, 6:].any()


def test_stages_are_ever_coarser_and_wider() -> None:
    net = Swin_Transformer(
        in_channels=1, out_channels=1, scale=2, embed_dim=8, depths=[2, 2, 2],
        num_heads=[1, 2, 4], window_size=2, patch_size=2,
    )  # fmt: skip
    shapes = [tuple(x.shape[1:]) for x in net._stages(torch.randn(1, 1, 13, 20))]
    assert shapes == [(8, 7, 10), (16, 4, 5), (32, 2, 3)]
    assert net(torch.randn(1, 1, 13, 20)).shape == (1, 1, 26, 40)


def test_the_backbone_carries_the_authors_names_and_is_not_swinir() -> None:
    params = SMALL["SwinIR"]
    options = {"in_channels": 1, "out_channels": 1, "scale": 2, "global_skip": False}
    ours = build("Swin_Transformer", params=params, **options)  # type: ignore[arg-type]
    names = set(ours.state_dict())
    assert {
        "patch_embed.proj.weight",
        "patch_embed.norm.weight",
        "layers.0.blocks.1.attn.relative_position_bias_table",
        "layers.0.blocks.0.mlp.fc1.weight",
        "layers.0.downsample.reduction.weight",
        "layers.0.downsample.norm.bias",
        "layers.1.blocks.0.attn.qkv.bias",
    } <= names
    swinir = build("SwinIR", params=params, **options)  # type: ignore[arg-type]
    assert "layers.0.residual_group.blocks.0.attn.qkv.weight" in swinir.state_dict()
    assert not any("residual_group" in name for name in names)
