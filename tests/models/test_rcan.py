"""Channel attention does what the paper defines."""

import torch

from srwizard.models import build
from srwizard.models.rcan import ChannelAttention


def test_channel_attention_is_the_definition() -> None:
    """x_c times sigmoid(W_U relu(W_D mean(x)))."""
    torch.manual_seed(0)
    attention = ChannelAttention(6, 3)
    down, up = attention.attention[1], attention.attention[3]
    x = torch.randn(2, 6, 5, 7)
    with torch.no_grad():
        means = x.mean(dim=(2, 3))
        hidden = (means @ down.weight[:, :, 0, 0].T + down.bias).relu()
        weights = (hidden @ up.weight[:, :, 0, 0].T + up.bias).sigmoid()
        torch.testing.assert_close(attention(x), x * weights[:, :, None, None])


def test_layers_carry_the_reference_names() -> None:
    params = {"num_features": 8, "num_groups": 2, "num_blocks": 3, "reduction": 4}
    net = build("RCAN", in_channels=1, out_channels=1, scale=4, params=params, global_skip=False)
    names = set(net.state_dict())
    block = "body.1.residual_group.2.rcab"
    assert {
        f"{block}.{part}.weight" for part in ("0", "2", "3.attention.1", "3.attention.3")
    } < names
    assert {"conv_first.weight", "body.0.conv.weight", "conv_after_body.weight"} < names
    assert {"upsample.0.weight", "upsample.2.weight", "conv_last.weight"} < names
