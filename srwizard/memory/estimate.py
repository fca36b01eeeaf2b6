"""The estimate of a run: its peak memory, predicted, and the largest batch that fits.

The shape of its JSON is in docs/memory.md. torch is imported only to predict.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.data.dataset import Dataset
from srwizard.memory import fit
from srwizard.memory.available import least_capacity
from srwizard.memory.baseline import measured_baseline
from srwizard.memory.gpu_catalog import capacity
from srwizard.memory.predict import Prediction, on_gpu, predict, predict_batches, with_batch_size
from srwizard.memory.verdict import judge
from srwizard.settings.run_config import RunConfig


def estimate(
    run: RunConfig,
    dataset: Dataset,
    *,
    gpu: str | None,
    batch_sizes: Sequence[int],
    fit_batch: bool,
) -> dict[str, Any]:
    """Return the prediction as `srwizard estimate --json` prints it.

    Args:
        run: the run config.
        dataset: its dataset, which only dry runs look at.
        gpu: a GPU by name or size; None: the devices of the run.
        batch_sizes: further batch sizes to predict.
        fit_batch: whether to look for the largest batch that fits.

    Raises:
        UsageError: there is no such GPU, or the network cannot be built.
    """
    there_is = capacity(gpu) if gpu is not None else least_capacity(run)
    run = on_gpu(run, gpu) if gpu is not None else run
    baseline = measured_baseline()
    found = predict(run, baseline_bytes=baseline)
    batches = predict_batches(run, batch_sizes, baseline_bytes=baseline)
    report = {
        **asdict(found),
        "model": run.model.name,
        "batch_size": run.training.batch_size,
        "gpu": gpu,
        "capacity_bytes": there_is,
        "share": found.peak_bytes / there_is if there_is else None,
        "verdict": None
        if there_is is None
        else judge(found.peak_bytes, there_is, found.least_bytes),
        "batches": {size: peak for size, (peak, _least) in batches.items()},
        "batch_verdicts": {
            size: None if there_is is None else judge(peak, there_is, least)
            for size, (peak, least) in batches.items()
        },
        "fit": None,
    }
    if fit_batch:
        if there_is is None:
            raise UsageError(
                _("the GPUs of this run are not here: there is nothing to fit into"),
                _('Name one: --gpu "RTX 3090", or a size: --gpu 24GiB.'),
            )
        on = dataset if gpu is None else None
        report["fit"] = asdict(_largest_batch(run, found, there_is, baseline, on))
    return report


def _largest_batch(
    run: RunConfig, found: Prediction, there_is: int, baseline: int, dataset: Dataset | None
) -> fit.Fit:
    """Look for the largest batch; on devices that are here, dry runs on `dataset` confirm it."""

    def predicted(size: int) -> int:
        if size == run.training.batch_size:
            return found.peak_bytes
        return predict(with_batch_size(run, size), baseline_bytes=baseline).peak_bytes

    together = run.devices.world_size * run.training.grad_accumulation
    return fit.largest_batch(
        predicted,
        None if dataset is None else lambda size: fit.measured(with_batch_size(run, size), dataset),
        limit=max(1, run.data.steps["train"] // together),
        capacity_bytes=there_is,
    )
