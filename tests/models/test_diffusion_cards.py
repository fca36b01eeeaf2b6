"""The cards of the diffusion models: what they refuse, and with what words."""

from typing import Any

import pytest

from srwizard.models.catalog import card, cards, problems, resolve_parameters

NAMES = [name for name, it in cards().items() if it.family == "diffusion"]


def test_they_come_last() -> None:
    assert NAMES == ["DDPM", "SR3", "ResShift", "ReMD", "FlowMatching"]
    families = [it.family for it in cards().values()]
    assert families == sorted(families, reverse=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("given", "lr_shape", "message"),
    [
        ({"inner_channel": 60, "norm_groups": 8}, None, "60, which 8 norm_groups do not divide"),
        ({"inner_channel": 12, "norm_groups": 5}, None, "it allows 1, 2, 3, 4, 6, 12"),
        ({"inner_channel": 33, "norm_groups": 3}, None, "must be even"),
        ({"channel_mults": [1] * 6}, (4, 90), "field of 16 x 360 allows 1 to 5"),
    ],
)
def test_parameters_that_do_not_go_together(
    name: str, given: dict[str, Any], lr_shape: tuple[int, int] | None, message: str
) -> None:
    if name in ("ResShift", "ReMD"):
        given = {"num_heads": 1} | given
    found = problems(card(name), resolve_parameters(card(name), given), 4, lr_shape)
    assert len(found) == 1
    assert message in found[0]


@pytest.mark.parametrize("name", ["DDPM", "SR3", "ResShift"])
def test_more_steps_than_there_are(name: str) -> None:
    (found,) = problems(card(name), resolve_parameters(card(name), {"timesteps": 10}), 4, None)
    assert "more than the 10 timesteps" in found


def test_heads_that_do_not_divide() -> None:
    resolved = resolve_parameters(card("ResShift"), {"num_heads": 5})
    (found,) = problems(card("ResShift"), resolved, 2, None)
    assert "64, which 5 num_heads do not divide; it allows 1, 2, 4, 8, 16, 32, 64" in found


@pytest.mark.parametrize("name", NAMES)
def test_no_attention_is_an_empty_list(name: str) -> None:
    assert resolve_parameters(card(name), {"attn_res": []})["attn_res"] == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 8])
def test_defaults_work_at_every_scale(name: str, channels: int) -> None:
    it = card(name)
    for scale in range(2, 9):
        assert problems(it, resolve_parameters(it, {}), scale, (9, 30)) == []
