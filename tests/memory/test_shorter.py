"""What would shorten a training, and how long it would take then."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from srwizard.memory.remedies import Surroundings
from srwizard.memory.shorter import Measured, Training, effects_on_time
from srwizard.memory.shorter import ways as ways_to_shorten
from srwizard.settings.answers import Answers
from srwizard.settings.remedy import Remedy
from srwizard.settings.run_config import RunConfig
from tests.configs import made_up_config

MEASURED = Measured(run=10_000.0 + 90_000.0 + 500.0, epoch=100.0, validation=900.0)
"""Of 100 epochs, each validated; 500 s for the test split."""


def run(model: str = "EDSR", **training: object) -> RunConfig:
    made = made_up_config()
    named = made.model.model_copy(update={"name": model})
    options = made.training.model_copy(
        update={"epochs": 100, "eval_freq": 1, "patience": None} | training
    )
    return made.model_copy(update={"model": named, "training": options})


def offered(present: RunConfig) -> dict[str, Remedy]:
    answers, around = Answers(), Surroundings(hr_shape=(80, 120))
    found = ways_to_shorten(answers, around, [], present.training, MEASURED, 20_000.0, None)
    return {one.key: one for one in found}


def test_to_validate_less_often_is_offered_where_that_takes_longest() -> None:
    remedy = offered(run())["fewer_validations"]
    assert remedy.changes == {"training.eval_freq": 9}
    assert remedy.title == "Epochs between two validations 1 → 9"
    assert "fewer_validations" not in offered(run(eval_freq=9))


def test_what_counts_validations_means_as_many_epochs_as_before() -> None:
    stops = offered(run(patience=36, scheduler="plateau", plateau_patience=3))
    assert stops["fewer_validations"].changes == {
        "training.eval_freq": 9,
        "training.patience": 4,
        "training.plateau_patience": 1,
    }


def test_fewer_epochs_leave_time_for_the_scores_at_the_end() -> None:
    measured = Measured(run=1000.0 + 100.0 + 1900.0, epoch=10.0, validation=1.0)
    training, around = run().training, Surroundings(hr_shape=(80, 120))
    found = ways_to_shorten(Answers(), around, [], training, measured, 2400.0, None)
    (remedy,) = (one for one in found if one.key == "epochs")
    fewer = remedy.changes["training.epochs"]
    assert fewer == 34  # not 76: the scores are not made shorter by that
    assert 0.9 * 2400 < 1900 + fewer * 11 <= 0.95 * 2400
    # Of a training that goes on behind 60 epochs, only what is left counts.
    later = replace(measured, run=400.0 + 40.0 + 1900.0, done=60)
    found = ways_to_shorten(Answers(), around, [], training, later, 2260.0, None)
    assert {"training.epochs": 60 + 22} in [one.changes for one in found]
    none = ways_to_shorten(Answers(), around, [], training, measured, 1900.0, None)
    assert not [one for one in none if one.key == "epochs"]


def test_a_gpu_takes_as_many_samples_in_a_step_as_the_processes_of_the_cpu_did() -> None:
    answers = Answers.model_validate(
        {"devices": {"processes": 2}, "training": {"grad_accumulation": 3}}
    )
    around, present = Surroundings(hr_shape=(80, 120)), run()
    found = ways_to_shorten(answers, around, [1], present.training, MEASURED, 20_000.0, None)
    (remedy,) = (one for one in found if one.key == "gpu")
    assert remedy.changes == {
        "devices.gpus": [1],
        "devices.processes": 1,
        "training.grad_accumulation": 6,
    }


def changed_batch(then: RunConfig) -> RunConfig:
    options = then.training.model_copy(update={"batch_size": then.training.batch_size * 2})
    return then.model_copy(update={"training": options})


@pytest.mark.parametrize(
    ("change", "cost", "seconds"),
    [
        (lambda _: run(eval_freq=9), 4.0, 100 * 100 + 12 * 900 + 500),
        (lambda _: run(epochs=50), 4.0, 50 * 100 + 50 * 900 + 500),
        # Steps of half the cost: the validations take as long as they did.
        (changed_batch, 2.0, 100 * 50 + 100 * 900 + 500),
        # Another network: the validations are as much shorter as its steps.
        (lambda _: run("FNO2d"), 1.0, 100 * 25 + 100 * 225 + 125),
    ],
)
def test_training_and_validations_are_counted_each_by_itself(
    change: Callable[[RunConfig], RunConfig], cost: float, seconds: float
) -> None:
    remedy = Remedy({}, "", "")
    then = Training(change(run()), cost)
    found = effects_on_time([remedy], Training(run(), 4.0), [then], MEASURED)
    # What gains less than a twentieth is not offered.
    expected = [] if seconds > 0.95 * MEASURED.run else [pytest.approx(seconds)]
    assert [one.run_seconds for one in found] == expected
