"""What every network promises: shapes, the global skip, checkpointing, autocast."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.nn import functional

from srwizard.base.errors import UsageError
from srwizard.models import build, load_reference, set_gradient_checkpointing
from srwizard.models.catalog import cards
from srwizard.models.global_skip import GlobalSkip
from srwizard.models.padding import pad_to_multiple
from srwizard.models.swin import shift_mask
from srwizard.models.swinir import SwinIR
from tests.small_networks import SMALL, SMALL_STANDARD

UPSAMPLERS = ("pixelshuffle", "pixelshuffledirect", "nearest+conv")
VARIANTS = [
    *((name, {}) for name in SMALL_STANDARD if name != "SwinIR"),
    *(("SwinIR", {"upsampler": u}) for u in UPSAMPLERS),
]


def small(name: str, scale: int = 2, channels: tuple[int, int] = (1, 1), **options: Any) -> Any:
    """Build a small network, the same weights each time; `params` add to the small ones."""
    torch.manual_seed(0)
    params = SMALL[name] | options.pop("params", {})
    inputs, outputs = channels
    return build(
        name, in_channels=inputs, out_channels=outputs, scale=scale, params=params, **options
    )


@pytest.mark.parametrize(("name", "params"), VARIANTS)
@pytest.mark.parametrize("scale", range(2, 9))
def test_every_scale_and_odd_sizes(name: str, params: dict[str, Any], scale: int) -> None:
    net = small(name, scale, params=params, global_skip=False)
    with torch.no_grad():
        assert net(torch.randn(1, 1, 5, 11)).shape == (1, 1, 5 * scale, 11 * scale)


@pytest.mark.parametrize("name", SMALL_STANDARD)
@pytest.mark.parametrize("channels", [(2, 2), (8, 8), (8, 1)])
def test_one_to_eight_channels_train_with_amp_and_checkpointing(
    name: str, channels: tuple[int, int]
) -> None:
    net = small(name, 3, channels).train()
    set_gradient_checkpointing(net, True)
    with torch.autocast("cpu", torch.bfloat16):
        sr = net(torch.randn(2, channels[0], 7, 5))
    assert sr.shape == (2, channels[1], 21, 15)
    sr.square().mean().backward()
    assert net.net.output_layer().weight.grad.abs().max() > 0


@pytest.mark.parametrize("name", SMALL_STANDARD)
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (2, 3), (4, 4), (7, 13), (16, 9)])
def test_any_size(name: str, shape: tuple[int, int]) -> None:
    net = small(name, 2)
    with torch.no_grad():
        output = net(torch.randn(2, 1, *shape))
    assert output.shape == (2, 1, 2 * shape[0], 2 * shape[1])
    assert output.isfinite().all()


@pytest.mark.parametrize(("name", "params"), VARIANTS)
@pytest.mark.parametrize("channels", [(1, 1), (3, 3), (5, 2)])
def test_untrained_network_with_skip_is_bicubic(
    name: str, params: dict[str, Any], channels: tuple[int, int]
) -> None:
    lr = torch.randn(2, channels[0], 6, 9)
    expected = functional.interpolate(
        lr[:, : channels[1]], scale_factor=3, mode="bicubic", align_corners=False
    )
    net = small(name, 3, channels, params=params)
    assert torch.equal(net(lr), expected)


def test_skip_needs_an_output_layer() -> None:
    with pytest.raises(TypeError, match="output_layer"):
        GlobalSkip(nn.Identity(), out_channels=1, scale=2)


@pytest.mark.parametrize("name", SMALL_STANDARD)
def test_every_parameter_learns(name: str) -> None:
    net = small(name, global_skip=False)
    net(torch.randn(2, 1, 8, 8)).square().sum().backward()
    for key, parameter in net.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().max() > 0, key


def gradients_and_saved_bytes(net: nn.Module, lr: Tensor) -> tuple[list[Tensor], int]:
    """Run forward and backward; return the gradients and the bytes of distinct saved tensors."""
    saved: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    net.zero_grad()
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        loss = net(lr).square().sum()
    loss.backward()
    gradients = [p.grad.clone() for p in net.parameters() if p.grad is not None]
    return gradients, sum(saved.values())


@pytest.mark.parametrize("name", SMALL_STANDARD)
def test_checkpointing_saves_memory_and_changes_no_gradient(name: str) -> None:
    # Stages of pixel shuffle outweigh blocks as small as these.
    params = {
        "SwinIR": {"upsampler": "pixelshuffledirect"},
        "Swin_Transformer": {"depths": [8, 2]},
    }
    net = small(name, params=params.get(name, {}), global_skip=False).train()
    lr = torch.randn(2, 1, 12, 12)
    plain, plain_bytes = gradients_and_saved_bytes(net, lr)
    assert set_gradient_checkpointing(net, True)
    checkpointed, checkpointed_bytes = gradients_and_saved_bytes(net, lr)
    assert len(plain) == len(checkpointed) == len(list(net.parameters()))
    for a, b in zip(plain, checkpointed, strict=True):
        torch.testing.assert_close(a, b)
    assert checkpointed_bytes < 0.8 * plain_bytes


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("FNO2d", 3),
        ("SwinIR", 2),
        ("EDSR", 3),
        ("RCAN", 4),
        ("UNet2d", 5),
        ("Swin_Transformer", 2),
        ("Galerkin_Transformer", 4),
        ("MWT2d", 2),
        ("SRNO", 4),
        ("HiNOTE", 5),
        ("HAT", 6),
        ("M2NO2d", 3),
    ],
)
def test_each_block_is_checkpointed_alone_and_only_in_training(
    name: str, blocks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def checkpoint(block: nn.Module, *inputs: Any, **options: Any) -> Any:
        calls.append(block)
        return block(*inputs)

    monkeypatch.setattr("srwizard.models.checkpointing.checkpoint", checkpoint)
    net = small(name)
    assert set_gradient_checkpointing(net, True)
    net.eval()(torch.randn(1, 1, 8, 8))
    assert not calls
    net.train()(torch.randn(1, 1, 8, 8))
    assert len(calls) == blocks
    assert set_gradient_checkpointing(net, False)
    net(torch.randn(1, 1, 8, 8))
    assert len(calls) == blocks


def test_checkpointing_a_network_that_knows_none() -> None:
    assert not set_gradient_checkpointing(nn.Identity(), True)


@pytest.mark.parametrize(("name", "params"), VARIANTS)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_autocast_bfloat16(name: str, params: dict[str, Any], checkpointing: bool) -> None:
    net = small(name, params=params).train()
    nn.init.normal_(net.net.output_layer().weight, std=0.02)
    set_gradient_checkpointing(net, checkpointing)
    lr = torch.randn(2, 1, 9, 7)
    exact = net(lr).detach()
    with torch.autocast("cpu", torch.bfloat16):
        output = net(lr)
    output.square().sum().backward()
    assert output.dtype == torch.float32
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    torch.testing.assert_close(output.detach(), exact, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("global_skip", [False, True])
def test_reference_weights_load_with_and_without_skip(global_skip: bool) -> None:
    reference = small("SwinIR", global_skip=False)
    weights = reference.state_dict()
    weights["layers.0.residual_group.blocks.1.attn_mask"] = torch.zeros(1)
    weights["layers.0.residual_group.blocks.1.attn.relative_position_index"] = torch.zeros(1)
    weights["mean"] = torch.zeros(1)
    net = small("SwinIR", global_skip=global_skip)
    load_reference(net, weights)
    inner = net.net if global_skip else net
    for key, value in inner.state_dict().items():
        assert torch.equal(value, weights[key])


def test_weights_of_another_network_are_refused_by_name() -> None:
    net = small("EDSR")
    before = {key: value.clone() for key, value in net.state_dict().items()}
    weights = {key: value + 1 for key, value in net.net.state_dict().items()}
    del weights["conv_first.bias"]
    weights["body.9.conv1.weight"] = torch.zeros(1)
    weights["conv_last.weight"] = torch.zeros(2, 8, 3, 3)
    with pytest.raises(UsageError) as error:
        load_reference(net, weights)
    assert "missing: conv_first.bias" in error.value.message
    assert "unexpected: body.9.conv1.weight" in error.value.message
    assert "shape of conv_last.weight: (2, 8, 3, 3) given, (1, 8, 3, 3)" in error.value.message
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize("name", SMALL_STANDARD)
def test_own_state_dict_round_trips_strictly(name: str) -> None:
    net = small(name)
    torch.manual_seed(1)
    other = build(name, in_channels=1, out_channels=1, scale=2, params=SMALL[name])
    other.load_state_dict(net.state_dict(), strict=True)
    lr = torch.randn(1, 1, 6, 6)
    assert torch.equal(net(lr), other(lr))


def test_swinir_three_convolutions_carry_the_reference_names() -> None:
    net = small("SwinIR", params={"resi_connection": "3conv"}, global_skip=False)
    assert {f"layers.0.conv.{i}.weight" for i in (0, 2, 4)} <= set(net.state_dict())
    assert net.conv_after_body[0].weight.shape == (2, 8, 3, 3)
    assert net(torch.randn(1, 1, 5, 5)).shape == (1, 1, 10, 10)


def test_swinir_nearest_carries_the_reference_names() -> None:
    names = set(small("SwinIR", 4, params={"upsampler": "nearest+conv"}).net.state_dict())
    assert {"conv_up1.weight", "conv_up2.weight", "conv_hr.weight", "conv_last.weight"} <= names
    assert "conv_up3.weight" not in names


def test_swinir_mask_follows_the_size() -> None:
    net = SwinIR(in_channels=1, out_channels=1, scale=2, **SMALL["SwinIR"]).eval()
    one, other = torch.randn(1, 1, 8, 8), torch.randn(1, 1, 12, 8)
    with torch.no_grad():
        first = net(one)
        kept = net._orders.of(one)
        assert torch.equal(net(one), first)
        assert net._orders.of(one) is kept
        net(other)
        assert net._orders.of(other) is not kept
        assert torch.equal(net(one), first)


def test_shift_mask_parts_opposite_edges() -> None:
    mask = shift_mask(8, 8, 4, torch.device("cpu"))
    assert mask.shape == (4, 16, 16)
    assert not mask[0].any()  # the first window holds neighbours only
    assert (mask[3] == 0).sum() == 4 * 4**2  # the last holds four corners of four points each
    assert torch.equal(mask, mask.transpose(1, 2))


def test_padding_reflects_where_it_can() -> None:
    x = torch.arange(6.0).reshape(1, 1, 1, 6)
    padded = pad_to_multiple(x, 4)
    assert padded.shape == (1, 1, 4, 8)
    assert padded[0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5, 4, 3]
    assert torch.equal(padded[0, 0, 3], padded[0, 0, 0])


@pytest.mark.parametrize("name", SMALL_STANDARD)
def test_a_fake_run_works_and_leaves_nothing_behind(name: str) -> None:
    with FakeTensorMode(allow_non_fake_inputs=True):
        fake = small(name).train()
        set_gradient_checkpointing(fake, True)
        fake(torch.empty(2, 1, 8, 8)).sum().backward()
    net = small(name)
    lr = torch.randn(1, 1, 8, 8)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, torch.no_grad():
        net(mode.from_tensor(lr))
    assert net(lr).isfinite().all()


@pytest.mark.parametrize("name", [card.name for card in cards().values() if card.local])
def test_a_local_network_makes_of_a_point_what_its_surroundings_are(name: str) -> None:
    """However large the field: so it can be shown larger tiles than those it was trained on."""
    net = small(name).eval()
    field = torch.randn(1, 1, 96, 128)
    changed = field.clone()
    changed[..., 64:] += 10.0
    with torch.no_grad():
        whole, other, part = net(field), net(changed), net(field[..., :64])
    torch.testing.assert_close(other[..., :32], whole[..., :32])
    torch.testing.assert_close(part[..., :32], whole[..., :32])
