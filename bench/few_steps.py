"""Diffusion models drawn in few steps: `python -m bench.few_steps [DIRECTORY] [NAMES]`.

The runs are those of the zoo (PGN), which are trained first where they are not there. ResShift in
15 steps, the length of its chain, is what 2 to 5 steps of ReMD and FlowMatching are compared with.
The gain is fitted on the validation split for each number of steps, and is not kept.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from bench._runs import TWO, Dataset, made_ready
from bench.zoo import run
from srwizard.train.gain import fitted_gain
from srwizard.train.resuming import load_best
from srwizard.train.scoring import score

STEPS = {"ResShift": (4, 15), "ReMD": (2, 3, 4, 5, 15), "FlowMatching": (1, 2, 4, 5)}


def rows(dataset: Dataset, name: str, work: Path) -> Iterator[str]:
    """Yield a line for each number of steps."""
    run(name, dataset, "PGN", work)
    run_dir = work / dataset.name / "zoo" / f"{name}-PGN"
    training = made_ready(run_dir)
    load_best(training, run_dir)
    network: Any = training.bare
    for steps in STEPS[name]:
        network.sampling_steps = steps
        training.gain = {}
        training.gain = fitted_gain(training)
        for found in score(training, "test").variables.values():
            model = found["model"]
            figures = f"{model['rmse']:.5g} | {model['crps']:.4g} | {model['spectrum_error']:.3f}"
            skill = f"{100 * found['skill']:+.1f}"
            yield f"| {dataset.name} | {name} | {steps} | {figures} | {skill} |"


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    chosen = [one for one in TWO if one.name in arguments] or list(TWO)
    models = [name for name in STEPS if name in arguments] or list(STEPS)
    known = {*STEPS, *(one.name for one in TWO)}
    places = [item for item in arguments if item not in known]
    with tempfile.TemporaryDirectory() as name:
        work = Path(places[0] if places else name).absolute()
        print(
            "| dataset | model | steps | RMSE | CRPS | spectrum error | % below the best method |"
        )
        print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
        for dataset in chosen:
            for model in models:
                for line in rows(dataset, model, work):
                    print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
