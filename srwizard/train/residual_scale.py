"""What a diffusion model must know of its data before the first step."""

from collections.abc import Iterator

from torch import Tensor

from srwizard.data.samples import Key
from srwizard.data.sampling import spread
from srwizard.train.setup import Training

SAMPLES = 64
"""Of the training split: enough for a standard deviation, few enough to read at once."""


def calibrate(training: Training) -> None:
    """Let a diffusion model measure how large the fields are that it models; others need nothing.

    Every rank reads the same samples, so that the result depends on nothing but the data.
    """
    measure = getattr(training.bare, "calibrate", None)
    if measure is not None:
        measure(_batches(training))


def _batches(training: Training) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    keys = [Key(index) for index in spread(len(training.splits["train"]), SAMPLES)]
    size = training.run.training.batch_size
    plan = [tuple(keys[place : place + size]) for place in range(0, len(keys), size)]
    for batch in training.batches("train", plan):
        yield batch["lr"], batch["hr"], batch["mask"]
