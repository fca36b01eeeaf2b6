"""One process of a dry run: `python -m srwizard.memory.rehearsal RUN_DIR OUT_DIR`.

Started exactly as training is, with the same world size. It sets up the training core, takes
real optimizer steps, scores a validation batch, saves a checkpoint, and writes what memory that
took to `OUT_DIR/rank{N}.json`.
"""

import contextlib
import socket
from pathlib import Path
from statistics import median
from typing import Any

from srwizard.base import files, i18n
from srwizard.base.child_process import end_with_parent
from srwizard.data import normalization
from srwizard.memory import forecast, forecaster
from srwizard.memory.available import WRITER, cpu_capacity, within_address_space
from srwizard.memory.meter import Meter, resident_bytes
from srwizard.memory.repeats import SAMPLING_STEPS
from srwizard.runs import failures
from srwizard.runs.last_phase import LastPhase
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig
from srwizard.train.checkpoint import LAST
from srwizard.train.dataset import contents_for
from srwizard.train.distributed import Place, any_rank, joined
from srwizard.train.final_scores import to_be_filled
from srwizard.train.loop import epoch_steps
from srwizard.train.lr_range import lr_range_test
from srwizard.train.order import Step
from srwizard.train.preflight import call_the_roll
from srwizard.train.processes import run_and_leave
from srwizard.train.resuming import begin_from_weights
from srwizard.train.sampling import draws_samples, members_of
from srwizard.train.saving import finish_saving, save
from srwizard.train.scoring import score, scoring_batch_size
from srwizard.train.setup import (
    Training,
    load_statistics,
    micro_batches_of,
    set_learning_rate,
    set_up,
)
from srwizard.train.simple_methods import imagined_learnt, kept_learnt, load_learnt
from srwizard.train.step import optimizer_step

FEWEST_STEPS = 3
MOST_STEPS = 6
TIMED_SECONDS = 0.3
"""Steps that take less together are too few to say how long one takes."""
AGREEMENT = 0.01
"""Two steps whose peaks differ by less show that the peak has been reached."""
VALIDATIONS = 2
"""The second is timed: the first makes loaders and whatever else is made at first use."""
STATISTICS_STEPS = 4


def main(arguments: list[str]) -> int:
    """Rehearse the training of a run directory and write this rank's figures."""
    run_dir, out_dir = (Path(argument) for argument in arguments[:2])
    capacities = [int(argument) for argument in arguments[2:]]
    end_with_parent()
    _volunteer_to_be_killed()
    run = run_config.load(run_dir)
    i18n.set_language(i18n.language_from_environment())
    baseline = resident_bytes()
    host_capacity = cpu_capacity(run.devices.processes)
    with joined(run.devices) as place:
        where = LastPhase(out_dir, place.rank)
        try:
            call_the_roll(place, run, run_dir, "dry run")
            meter = Meter(place, capacities[place.device.index or 0])
            figures = _rehearse(run, run_dir, out_dir, place, where, meter)
            if run.training.lr_range_test:
                where.note("learning-rate range test", None, None)
                figures["lr_range"] = _lr_range(run, run_dir, place)
        except Exception as error:
            failures.record(out_dir, error, place.rank, where.now)
            raise
    figures = {
        "rank": place.rank,
        "host": socket.gethostname(),
        "capacity_bytes": _capacity(run, capacities[place.device.index or 0], meter),
        "baseline_rss_bytes": baseline,
        "host_capacity_bytes": host_capacity,
        **figures,
    }
    if place.is_first:
        figures["predicted_bytes"] = _predicted(run)
    files.write_json(out_dir / f"rank{place.rank}.json", figures)
    return 0


def _capacity(run: RunConfig, known: int, meter: Meter) -> int:
    """Return what the device has; on a CPU, as far as it fits into the address space."""
    if run.devices.on_gpus:
        return known
    mapped = meter.mapped_bytes + WRITER
    return within_address_space(known, run.devices.processes, mapped)


def _predicted(run: RunConfig) -> int | None:
    """Predict the same peak, to stand beside it; here torch is loaded, and the memory is free."""
    known = forecast.known(run)
    if known is None:
        try:
            known = forecaster.forecast(run)
        except Exception:  # a model whose shapes depend on values can be measured all the same
            return None
        forecast.keep(run, known)
    return known.peak_bytes


def _rehearse(
    run: RunConfig, run_dir: Path, out_dir: Path, place: Place, where: LastPhase, meter: Meter
) -> dict[str, Any]:
    contents = contents_for(run)
    statistics = normalization.statistics(
        contents, run.data.variables, run.training.normalization, steps=STATISTICS_STEPS
    )
    # As with the statistics: memory is measured, and what the values are does not matter.
    learnt = kept_learnt(run, run_dir) or imagined_learnt(run)
    training = set_up(run, contents, statistics, place, learnt=learnt)
    peaks: list[int] = []
    seconds: list[float] = []
    plan = _steps(training)
    batches = training.batches("train", micro_batches_of(plan))
    set_learning_rate(training)
    training.objective.train()
    for step in plan:
        where.note("training step", len(peaks) + 1, 1)
        meter.forget()
        started = meter.clock()
        optimizer_step(training, step, batches)
        seconds.append(meter.clock() - started)
        peaks.append(meter.peak())
        if not any_rank(place, not _settled(peaks) or sum(seconds[1:]) < TIMED_SECONDS):
            break
    where.note("validation", len(peaks), 1)
    meter.forget()
    for _time in range(VALIDATIONS):
        started = meter.clock()
        score(training, "valid", batch_limit=1, sampling_steps=SAMPLING_STEPS)
        validation_seconds = meter.clock() - started
    validation = meter.peak()
    where.note("test", len(peaks), 1)
    meter.forget()
    filled = to_be_filled(training, contents)
    started = meter.clock()
    score(training, "test", batch_limit=1, sampling_steps=SAMPLING_STEPS, **filled)
    test_seconds = meter.clock() - started
    del filled
    test = meter.peak()
    where.note("checkpoint", len(peaks), 1)
    meter.forget()
    save(training, out_dir, LAST)
    if training.saving is not None:  # training goes on beside it
        optimizer_step(training, plan[0], training.batches("train", micro_batches_of(plan[:1])))
        finish_saving(training)
    checkpoint = meter.peak()
    workers = meter.worker_bytes
    return {
        "step_peak_bytes": peaks,
        "validation_peak_bytes": validation,
        "test_peak_bytes": test,
        "checkpoint_peak_bytes": checkpoint,
        "worker_bytes": workers,
        "peak_bytes": max(*peaks, validation, test, checkpoint)
        + (0 if run.devices.on_gpus else workers),
        "step_seconds": median(seconds[1:]),
        **_scoring_seconds(training, validation_seconds, test_seconds),
        "steps": len(peaks),
        **meter.gpu_figures(),
    }


def _lr_range(run: RunConfig, run_dir: Path, place: Place) -> dict[str, Any]:
    """Take the learning-rate range test, on the data as training will have it."""
    contents = contents_for(run)
    statistics = load_statistics(run, run_dir, contents)
    learnt = load_learnt(run, run_dir, contents)
    training = set_up(run, contents, statistics, place, learnt=learnt)
    begin_from_weights(training)
    return lr_range_test(training)


def _steps(training: Training) -> list[Step]:
    """Return the most optimizer steps there may be, all of them of the epoch's largest size.

    An epoch of fewer steps is gone round again: every rank gets the same number of steps and of
    micro-batches, as in training.
    """
    steps = epoch_steps(training)
    largest = [step for step in steps if step.global_samples == steps[0].global_samples]
    return (largest * MOST_STEPS)[:MOST_STEPS]


def _scoring_seconds(training: Training, validation: float, test: float) -> dict[str, float]:
    """Return what a field of a split takes, from what its first batch took.

    A diffusion model draws each member in more steps than here; the figures of the test split,
    which are computed once for each field, are not drawn.
    """
    batch = scoring_batch_size(training)
    fields = {split: min(batch, len(training.splits[split])) for split in ("valid", "test")}
    further = 0.0
    if draws_samples(training.bare):
        steps = int(training.run.model.params.get("sampling_steps", SAMPLING_STEPS))
        further = steps / min(SAMPLING_STEPS, steps) - 1
    drawn = validation / fields["valid"]
    more = members_of(training.bare, "test") / members_of(training.bare, "valid")
    return {
        "validation_batch_seconds": validation * (1 + further),
        "validation_field_seconds": drawn * (1 + further),
        "test_field_seconds": test / fields["test"] + drawn * more * further,
    }


def _settled(peaks: list[int]) -> bool:
    """Return whether enough steps were taken, the last two of them with the same peak."""
    if len(peaks) < FEWEST_STEPS:
        return False
    earlier, last = peaks[-2:]
    return abs(last - earlier) <= AGREEMENT * last


def _volunteer_to_be_killed() -> None:
    """If memory runs out, let the kernel end this process and nobody else's."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    run_and_leave(main)
