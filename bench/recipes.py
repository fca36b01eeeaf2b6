"""The recommended learning rates against a sweep: `python -m bench recipes`.

Every model (tiny) on two real datasets, trained for the same short budget with its recommended
recipe, the learning rate apart, at each of eight rates. Printed is the RMSE on the validation
split, of diffusion models the CRPS, as a share of the best simple method's, and how far that of the
recommended rate lies above the least of the eight: 1.03 at most is the goal.

With a directory as argument, what is there already is not trained again; names of models and
datasets choose among them, and with --write the tables go to docs/recipe.md.
"""

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from bench._runs import (
    DIFFUSION_PARAMETERS,
    MODES,
    TWO,
    Dataset,
    frozen,
    made_ready,
    prepared,
    print_tables,
    trained,
)
from srwizard.models.catalog import ModelCard, card
from srwizard.runs.records import METRICS_FILE, read_events
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig

RATES = (1e-4, 2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2)
EPOCHS, BATCH = 6, 4
DOCUMENT = Path(__file__).parent.parent / "docs" / "recipe.md"


def training_of(model: ModelCard) -> dict[str, Any]:
    """Return the training section: the recipe of a model, and a budget that all share."""
    own = model.recipe
    return {
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "scheduler": "cosine",
        "warmup_epochs": math.ceil(own.warmup * EPOCHS),
        "clip_grad_norm": own.clip_grad_norm,
        "lr": own.lr,
        "eval_freq": EPOCHS,
        # A moving average over more steps than there are would hold the untrained weights.
        **({"ema_decay": 0.98} if model.family == "diffusion" else {}),
    }


def measured(name: str, dataset: Dataset, lr: float, work: Path) -> float:
    """Train a model at a learning rate; return `ratio_of` it."""
    torch.set_num_threads(1)
    run_dir = work / dataset.name / name
    kept = run_dir / f"lr-{lr:g}"
    result = kept / "ratio.json"
    if not result.exists():
        run = at_rate(run_config.load(run_dir), lr)
        trained(made_ready(run_dir, run), kept)
        result.write_text(json.dumps(ratio_of(kept)), encoding="utf-8")
    return float(json.loads(result.read_text(encoding="utf-8")))


def at_rate(run: RunConfig, lr: float) -> RunConfig:
    """Return a run with another learning rate."""
    training = run.training.model_copy(update={"lr": lr})
    return run.model_copy(update={"training": training})


def ratio_of(run_dir: Path) -> float:
    """Return the validation error of the trained network over that of the best simple method.

    That is the RMSE, of a diffusion model the CRPS.
    """
    last = [event for event in read_events(run_dir / METRICS_FILE) if event["event"] == "epoch"][-1]
    scores: Mapping[str, Any] = last["valid"]["variables"]["temp"]
    error = "crps" if "crps" in scores["model"] else "rmse"
    return float(scores["model"][error] / scores[scores["best"]][error])


def begin(model: ModelCard, dataset: Dataset, work: Path) -> None:
    """Freeze the run whose learning rate is varied."""
    diffusion = model.family == "diffusion"
    params = DIFFUSION_PARAMETERS if diffusion else MODES.get(model.name, {})
    chosen = {"name": model.name, "size": "tiny", "params": params}
    root = prepared(dataset, work)
    frozen(work / dataset.name / model.name, root, chosen, training_of(model))


def rows(dataset: Dataset, models: Sequence[ModelCard], work: Path) -> Iterator[str]:
    """Yield the lines of the table of a dataset, each once it is known."""
    yield f"### {dataset.name}: validation RMSE or CRPS / that of the best simple method"
    yield ""
    yield "| model | " + " | ".join(f"{lr:g}" for lr in RATES) + " | recommended | ratio |"
    yield "| --- |" + " ---: |" * (len(RATES) + 2)
    with ProcessPoolExecutor(max_workers=2) as pool:
        for model in models:
            begin(model, dataset, work)
            own = card(model.name).recipe.lr
            rates = [*RATES, *([] if own in RATES else [own])]
            waiting = [pool.submit(measured, model.name, dataset, lr, work) for lr in rates]
            found = dict(zip(rates, (one.result() for one in waiting), strict=True))
            ratio = found[own] / min(found[lr] for lr in RATES)
            figures = " | ".join(f"{found[lr]:.4f}" for lr in RATES)
            yield f"| {model.name} | {figures} | {own:g} | {ratio:.3f} |"
    yield ""


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables, and write them to the document if asked."""
    print_tables(arguments, TWO, rows, DOCUMENT)


if __name__ == "__main__":
    main(sys.argv[1:])
