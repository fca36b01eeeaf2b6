"""What each remedy would bring, and which is proposed."""

from srwizard.memory.forecast import Forecast
from srwizard.memory.outlook import outlooks, recommended
from srwizard.memory.remedies import Remedy, combinations, combined

MIB = 2**20


def remedy(key: str, value: object = True) -> Remedy:
    return Remedy({key: value}, key, "")


def forecast(mebibytes: int) -> Forecast:
    return Forecast(parameters=1, peak_bytes=mebibytes * MIB)


AMP, CHECKPOINTING = remedy("memory.use_amp"), remedy("memory.gradient_checkpointing")


def test_predictions_are_scaled_by_what_was_measured() -> None:
    (found,) = outlooks([AMP], [forecast(500)], forecast(1000), 1200 * MIB, 1000 * MIB)
    assert found.peak_bytes == 600 * MIB
    assert found.share == 0.6
    assert found.fits


def test_without_a_measurement_they_stand_as_they_are() -> None:
    (found,) = outlooks([AMP], [forecast(900)], forecast(1000), None, 1000 * MIB)
    assert found.peak_bytes == 900 * MIB
    assert not found.fits


def test_the_least_intrusive_that_fits_is_proposed() -> None:
    found = outlooks(
        [AMP, CHECKPOINTING], [forecast(900), forecast(300)], forecast(1000), None, 1000 * MIB
    )
    best = recommended(found)
    assert best is not None
    assert best.remedy is CHECKPOINTING
    nothing = outlooks([AMP], [forecast(990)], forecast(1000), None, 1000 * MIB)
    assert recommended(nothing) is None


def test_what_saves_nothing_is_said() -> None:
    found = outlooks(
        [AMP, CHECKPOINTING], [forecast(995), forecast(600)], forecast(1000), None, 1000 * MIB
    )
    assert [item.gains for item in found] == [False, True]


def test_what_cannot_be_predicted_is_left_open() -> None:
    (found,) = outlooks([AMP], [None], forecast(1000), None, 1000 * MIB)
    assert (found.peak_bytes, found.share, found.fits, found.gains) == (None, None, False, True)


def test_a_gpu_without_free_memory() -> None:
    (found,) = outlooks([AMP], [forecast(10)], None, None, 0)
    assert not found.fits


def test_combinations_grow_in_the_order_of_preference() -> None:
    half = Remedy({"training.batch_size": 8, "training.grad_accumulation": 2}, "half", "")
    quarter = Remedy({"training.batch_size": 4, "training.grad_accumulation": 4}, "quarter", "")
    alone = Remedy({"training.batch_size": 4}, "alone", "")
    found = combinations([AMP, CHECKPOINTING, half, quarter, alone])
    both = AMP.changes | CHECKPOINTING.changes
    assert [item.changes for item in found] == [
        both,
        both | half.changes,
        both | quarter.changes,
    ]


def test_of_two_that_set_the_same_the_later_counts() -> None:
    found = combined([remedy("a", 1), remedy("b", 2), remedy("a", 3)])
    assert found.changes == {"a": 3, "b": 2}
