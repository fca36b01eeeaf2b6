"""Optimizers, schedules, clipping and averaging do what their names say."""

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from srwizard.models.eager import eager
from srwizard.runs.progress import Progress
from srwizard.settings.answers import TrainingAnswers
from srwizard.settings.methods import SCHEDULES
from srwizard.train import averaging
from srwizard.train.loop import Callbacks, note_plateau
from srwizard.train.optimizers import build_optimizer
from srwizard.train.schedule import ONE_CYCLE_START, learning_rate
from srwizard.train.scoring import score
from srwizard.train.setup import Training
from tests.datasets import write_dataset
from tests.train.runs import epochs, freeze, made_ready, same_weights, set_up_only, trained, weights


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data")


def rates(**settings: Any) -> list[float]:
    """The learning rate at the beginning of each epoch, and at the very end."""
    answers = TrainingAnswers(lr=0.1, **settings)
    return [learning_rate(answers, done) for done in range(answers.epochs + 1)]


def torch_rates(make: Any, epochs: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = make(optimizer)
    found = []
    for _epoch in range(epochs):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return [*found, optimizer.param_groups[0]["lr"]]


def test_step_lr_as_in_torch() -> None:
    wanted = torch_rates(lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.3), 10)
    assert rates(epochs=10, scheduler="StepLR", step_size=3, gamma=0.3) == pytest.approx(wanted)


def test_cosine_as_in_torch() -> None:
    wanted = torch_rates(
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 10, eta_min=0.01), 10
    )
    assert rates(epochs=10, scheduler="cosine", min_lr=0.01) == pytest.approx(wanted)


def test_cosine_after_a_warm_up() -> None:
    found = rates(epochs=10, scheduler="cosine", warmup_epochs=4)
    assert found[:5] == pytest.approx([0.001, 0.02575, 0.0505, 0.07525, 0.1])
    assert found[4:] == sorted(found[4:], reverse=True)
    assert found[-1] == pytest.approx(0.0)


def test_one_cycle_as_in_torch() -> None:
    # Its first step has no length: the last of 10,000 is near enough to the end.
    wanted = torch_rates(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=10_001), 10_000
    )
    answers = TrainingAnswers(lr=0.1, epochs=10, scheduler="OneCycle")
    found = [learning_rate(answers, step / 1000) for step in range(10_001)]
    assert found == pytest.approx(wanted, rel=5e-3, abs=1e-6)
    assert found[0] == pytest.approx(0.1 * ONE_CYCLE_START)
    assert max(found) == pytest.approx(0.1)


@given(
    scheduler=st.sampled_from([entry.name for entry in SCHEDULES]),
    epochs=st.integers(1, 50),
    warmup=st.integers(0, 60),
    min_lr=st.floats(0, 1),
    share=st.floats(0, 1),
    reductions=st.integers(0, 100),
)
def test_never_negative_nor_above_the_rate_asked_for(
    scheduler: Any, epochs: int, warmup: int, min_lr: float, share: float, reductions: int
) -> None:
    answers = TrainingAnswers(
        lr=0.1, epochs=epochs, scheduler=scheduler, warmup_epochs=warmup, min_lr=min_lr
    )
    assert 0 <= learning_rate(answers, share * epochs, reductions) <= 0.1 * (1 + 1e-12)


def test_a_plateau_lowers_the_rate() -> None:
    answers = TrainingAnswers(lr=0.1, scheduler="plateau", plateau_patience=2, gamma=0.1)
    progress = Progress()
    found = []
    for better in (True, False, True, False, False, False, False, True):
        note_plateau(progress, answers, better=better)
        found.append(learning_rate(answers, 1, progress.reductions))
    assert found == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert learning_rate(answers.model_copy(update={"min_lr": 0.05}), 1, 5) == 0.05


def test_the_rate_changes_within_an_epoch_and_resumes(root: Path, tmp_path: Path) -> None:
    seen: dict[str, list[float]] = {"whole": [], "parts": []}

    def noting(name: str, stop: int = 1000) -> Callbacks:
        def note(training: Training, _loss: float, _samples: int) -> None:
            seen[name].append(training.optimizer.param_groups[0]["lr"])

        return Callbacks(on_step=note, stop_requested=lambda: len(seen[name]) >= stop)

    for name in seen:
        freeze(root, tmp_path / name, scheduler="cosine", warmup_epochs=1)
    trained(tmp_path / "whole", noting("whole"))
    trained(tmp_path / "parts", noting("parts", stop=3))
    trained(tmp_path / "parts", noting("parts"))
    assert seen["parts"] == seen["whole"]
    assert len(set(seen["whole"])) == 8
    assert same_weights(weights(tmp_path / "parts"), weights(tmp_path / "whole"))


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"optimizer": "AdamW"}, torch.optim.AdamW),
        ({"optimizer": "Adam"}, torch.optim.Adam),
        ({"optimizer": "SGD"}, torch.optim.SGD),
        ({"optimizer": "SGD", "momentum": 0.0}, torch.optim.SGD),
    ],
)
def test_optimizers_train_and_resume(
    root: Path, tmp_path: Path, settings: dict[str, Any], kind: type[torch.optim.Optimizer]
) -> None:
    answers = TrainingAnswers(lr=0.02, weight_decay=0.03, **settings)
    optimizer = build_optimizer(torch.nn.Linear(2, 2), answers)
    assert type(optimizer) is eager(kind)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.02, 0.03)
    for name in ("whole", "parts"):
        freeze(root, tmp_path / name, epochs=2, **settings)
    trained(tmp_path / "whole")
    steps = itertools.count(1)
    trained(tmp_path / "parts", Callbacks(stop_requested=lambda: next(steps) == 3))
    trained(tmp_path / "parts")
    assert same_weights(weights(tmp_path / "parts"), weights(tmp_path / "whole"))
    losses = [event["train_loss"] for event in epochs(tmp_path / "whole")]
    assert losses[1] < losses[0]


def test_a_clipped_gradient_has_the_norm_asked_for(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", clip_grad_norm=1e-3, epochs=1)
    norms = []

    def note(training: Training, _loss: float, _samples: int) -> None:
        gradients = [p.grad for p in training.bare.parameters() if p.grad is not None]
        norms.append(float(torch.nn.utils.get_total_norm(gradients)))

    trained(tmp_path / "run", Callbacks(on_step=note))
    assert norms == pytest.approx([1e-3] * len(norms), rel=1e-3)


def test_averaged_weights_are_scored_and_resumed(root: Path, tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        freeze(root, tmp_path / name, epochs=2, ema_decay=0.9)
    training = trained(tmp_path / "whole")
    steps = itertools.count(1)
    trained(tmp_path / "parts", Callbacks(stop_requested=lambda: next(steps) == 3))
    trained(tmp_path / "parts")
    for name in ("weights", "averaged"):
        parts, whole = (
            torch.load(tmp_path / run / "checkpoints" / "last.pt", weights_only=True)[name]
            for run in ("parts", "whole")
        )
        assert same_weights(parts, whole)
    assert training.averaged is not None
    plain = {name: part.clone() for name, part in training.bare.state_dict().items()}
    averaged_loss = score(training, "valid").loss
    assert same_weights(dict(training.bare.state_dict()), plain)  # and left as they were
    with averaging.in_place_of_weights(training.averaged, training.bare):
        assert not same_weights(dict(training.bare.state_dict()), plain)
        by_hand = set_up_only(tmp_path / "whole")
        by_hand.bare.load_state_dict(training.bare.state_dict())
    by_hand.averaged = None
    assert score(by_hand, "valid").loss == averaged_loss
    training.averaged = None
    assert score(training, "valid").loss != averaged_loss


def test_the_average_against_its_definition() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    averaged = averaging.start(network)
    wanted = network.weight.item()
    for steps in range(200):
        torch.nn.init.constant_(network.weight, math.sin(steps))
        averaging.update(averaged, network, 0.9, steps)
        kept = min(0.9, (1 + steps) / (10 + steps))
        wanted = kept * wanted + (1 - kept) * math.sin(steps)
    assert float(averaged["weight"]) == pytest.approx(wanted, abs=1e-5)


def test_an_average_asked_for_later_begins_at_the_weights(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", epochs=1)
    trained(tmp_path / "run")
    freeze(root, tmp_path / "run", epochs=2, ema_decay=0.99)
    training = made_ready(tmp_path / "run")
    assert training.averaged is not None
    assert same_weights(training.averaged, dict(training.bare.named_parameters()))


def test_a_first_step_that_was_passed_over_leaves_no_momentum() -> None:
    """As where the first gradient of a training in float16 overflows."""
    network = torch.nn.Linear(64, 64)
    before = {name: part.clone() for name, part in network.state_dict().items()}
    settings = TrainingAnswers(lr=0.1, optimizer="SGD", momentum=0.9)
    optimizer: Any = build_optimizer(network, settings)
    assert optimizer.defaults["fused"]
    for part in network.parameters():
        part.grad = torch.full_like(part, math.inf)
    optimizer.found_inf = torch.ones(())
    optimizer.step()
    assert same_weights(dict(network.state_dict()), before)
    optimizer.found_inf = torch.zeros(())
    for part in network.parameters():
        part.grad = torch.ones_like(part)
    optimizer.step()
    for name, part in network.state_dict().items():  # as a first step with Nesterov's momentum
        torch.testing.assert_close(part, before[name] - 0.1 * 1.9)


def test_sgd_of_sharded_weights_goes_operator_by_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's one kernel for it knows no shards."""
    monkeypatch.setattr("srwizard.train.optimizers.is_sharded", lambda _part: True)
    for name, fused in (("SGD", None), ("AdamW", True)):
        settings = TrainingAnswers(optimizer=name)
        assert build_optimizer(torch.nn.Linear(2, 2), settings).defaults["fused"] is fused
