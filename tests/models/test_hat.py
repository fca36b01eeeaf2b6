"""HAT: its two new blocks against what the paper states."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from srwizard.models import build, load_reference
from srwizard.models.hat_blocks import ChannelAttentionBlock, HybridBlock, OverlappingBlock
from srwizard.models.swin import CachedOrders, channel_norm
from tests.small_networks import SMALL

DIM, WINDOW = 8, 4


def hybrid(conv_scale: float, *, shifted: bool) -> HybridBlock:
    torch.manual_seed(0)
    channels = ChannelAttentionBlock(DIM, compress_ratio=2, squeeze_factor=4)
    return HybridBlock(DIM, 2, WINDOW, 2.0, channels, conv_scale, shifted=shifted)


@pytest.mark.parametrize("shifted", [False, True])
def test_channels_attend_beside_the_windows_with_a_weight(shifted: bool) -> None:
    """Equation 4: x_M = (S)W-MSA(x_N) + alpha CAB(x_N) + x, which the perceptron gets."""
    field = torch.randn(2, DIM, 8, 12)
    orders = CachedOrders(WINDOW).of(field)
    without, block = hybrid(0.0, shifted=shifted), hybrid(0.5, shifted=shifted)
    perceptron: dict[HybridBlock, Tensor] = {}
    for each in (without, block):
        each.mlp.fc2.weight.data.zero_()  # what is left is x_M
        each.mlp.fc2.bias.data.zero_()
        perceptron[each] = each(field, orders)
    of_channels = block.conv_block(channel_norm(block.norm1, field))
    torch.testing.assert_close(perceptron[block], perceptron[without] + 0.5 * of_channels)
    assert of_channels.abs().max() > 0.01


def overlapping() -> OverlappingBlock:
    torch.manual_seed(0)
    block = OverlappingBlock(DIM, 2, WINDOW, overlap_ratio=0.5, mlp_ratio=2.0)
    torch.nn.init.normal_(block.qkv.weight)
    torch.nn.init.normal_(block.relative_position_bias_table)
    return block


def test_a_window_asks_the_larger_one_around_it() -> None:
    """Equation 5 and 6, point by point: (1 + gamma) M points a side are asked, zero outside."""
    block = overlapping()
    field = torch.randn(1, DIM, 8, 12)
    qkv = block.qkv(block.norm1(field.permute(0, 2, 3, 1)))[0]
    query, key, value = qkv.unflatten(-1, (3, 2, DIM // 2)).unbind(2)
    # One point more on each side, which is zero: [10, 14, heads, d].
    keys_around, values_around = (pad(part, (0, 0, 0, 0, 1, 1, 1, 1)) for part in (key, value))
    found = torch.zeros(8, 12, DIM)
    for y in range(8):
        for x in range(12):
            top, left = WINDOW * (y // WINDOW), WINDOW * (x // WINDOW)
            keys, values = (
                part[top : top + 6, left : left + 6].flatten(0, 1)
                for part in (keys_around, values_around)
            )
            bias = block.relative_position_bias_table[
                block.relative_position_index[WINDOW * (y % WINDOW) + x % WINDOW]
            ]
            scores = (keys * query[y, x]).sum(-1) / (DIM // 2) ** 0.5 + bias
            found[y, x] = (scores.softmax(0)[..., None] * values).sum(0).flatten()
    block.mlp.fc2.weight.data.zero_()
    block.mlp.fc2.bias.data.zero_()
    expected = field + block.proj(found).permute(2, 0, 1)
    torch.testing.assert_close(block(field), expected)
    with torch.no_grad():
        torch.testing.assert_close(block(field), expected)


def test_points_at_one_distance_have_one_bias_and_no_other_points() -> None:
    index = overlapping().relative_position_index
    of_offset: dict[tuple[int, int], set[int]] = {}
    for asking in range(WINDOW**2):
        for asked in range(36):
            offset = asked // 6 - asking // WINDOW, asked % 6 - asking % WINDOW
            of_offset.setdefault(offset, set()).add(int(index[asking, asked]))
    assert all(len(each) == 1 for each in of_offset.values())
    assert len({next(iter(each)) for each in of_offset.values()}) == len(of_offset) == 81


def test_weights_under_the_authors_names_load() -> None:
    net = build("HAT", in_channels=1, out_channels=1, scale=2, params=SMALL["HAT"])
    assert {
        "layers.0.residual_group.blocks.1.conv_block.cab.3.attention.1.weight",
        "layers.1.residual_group.overlap_attn.relative_position_bias_table",
        "layers.1.residual_group.overlap_attn.mlp.fc1.weight",
        "layers.0.conv.weight",
        "conv_before_upsample.0.weight",
    } <= set(net.net.state_dict())  # type: ignore[operator,union-attr]
    weights = net.net.state_dict()  # type: ignore[operator,union-attr]
    load_reference(net, weights)
