"""How long a prediction takes: `python -m bench.predicting [MODEL ...]`.

Every model at its default size on HR 680 x 1440, for a small and a large batch, after torch is
loaded. The reference is the goal of 5 seconds. Printed is the time of the processor, which other
work on the machine changes less than that of the clock.
"""

import sys
import time
from collections.abc import Sequence

from bench.memory import SCALE, unsealed_run
from srwizard.memory.predict import predict, with_batch_size
from srwizard.models.catalog import cards

HR_SHAPE = (680, 1440)
BATCHES = (16, 200)
GOAL_SECONDS = 5.0


def main(names: Sequence[str] = ()) -> None:
    """Print a row for each model, and the slowest of all."""
    print("| model | operators | " + " | ".join(f"batch {size}: s" for size in BATCHES) + " |")
    print("| --- | --- |" + " --- |" * len(BATCHES))
    slowest = 0.0
    for name in names or cards():
        run = unsealed_run(name, {}, hr_shape=HR_SHAPE)
        steps = dict.fromkeys(run.data.steps, max(BATCHES))
        run = run.model_copy(update={"data": run.data.model_copy(update={"steps": steps})})
        predict(with_batch_size(run, 1))  # brings in what is imported late
        seconds, operators = [], 0
        for size in BATCHES:
            started = time.process_time()
            operators = predict(with_batch_size(run, size)).operators
            seconds.append(time.process_time() - started)
        slowest = max(slowest, *seconds)
        figures = " | ".join(f"{value:.1f}" for value in seconds)
        print(f"| {name} | {operators} | {figures} |", flush=True)
    print(
        f"\nslowest: {slowest:.1f} s, {slowest / GOAL_SECONDS:.2f} of the goal of "
        f"{GOAL_SECONDS:.0f} s (scale {SCALE})"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
