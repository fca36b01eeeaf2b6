"""What the entries of run.yaml and dry_run.json are called on the page."""

import re
from collections.abc import Sequence
from typing import Any

from srwizard.base.i18n import N_
from srwizard.base.i18n import translate as _
from srwizard.data.baselines.choice import METHODS, method_title
from srwizard.data.split_names import SPLITS, split_title
from srwizard.data.weighting import BY_AREA
from srwizard.settings.changes import value_text
from srwizard.settings.options import option_named

PARTS = {
    "data": N_("Data"),
    "output": N_("Output"),
    "model": N_("Model"),
    "training": N_("Training"),
    "devices": N_("Devices"),
    "memory": N_("Memory"),
    "software": N_("Software"),
    "ranks": N_("Processes"),
    "schema_version": N_("Version of the format"),
    "revision": N_("Revision"),
    "created": N_("Created"),
    "language": N_("Language"),
    "digest": N_("Digest"),
    "layout": N_("Layout"),
    "hr_shape": N_("Size of HR"),
    "lr_shape": N_("Size of LR"),
    "steps": N_("Steps"),
    "block_means": N_("LR compared with the block means of HR"),
    "handedness": N_("Handedness of the grid"),
    "tile_size": N_("Tiles in which whole fields are scored (HR points)"),
    "patches_go_round": N_("Patches go round the globe"),
    "masked": N_("Masked values"),
    "in_channels": N_("Input channels"),
    "out_channels": N_("Output channels"),
    "skip": N_("What the network starts from"),
    "method": N_("Method"),
    "weight": N_("Weight of the climatology"),
    "best": N_("Best"),
    "valid_rmse": N_("RMSE of the validation split"),
    "evidence": N_("Evidence"),
    "observed": N_("Share with values"),
    "learning_curve": N_("Learning curve"),
    "rmse": "RMSE",
    "levels": N_("Levels"),
    "guide_scales": N_("Mean and spread of the guides"),
    "schedule_from": N_("Epochs before the schedule begins"),
    "backend": N_("Communication backend"),
    "slurm": "Slurm",
    "verdict": N_("Verdict"),
    "device": N_("Device"),
    "ratio": N_("Peak over capacity"),
    "capacity_bytes": N_("Capacity"),
    "peak_bytes": N_("Peak"),
    "above_baseline_bytes": N_("Peak above the idle process"),
    "baseline_bytes": N_("Idle process"),
    "baseline_rss_bytes": N_("Idle process"),
    "predicted_bytes": N_("Predicted"),
    "peak_rss_bytes": N_("Peak"),
    "step_peak_bytes": N_("Peak of each step"),
    "validation_peak_bytes": N_("Peak in validation"),
    "test_peak_bytes": N_("Peak in the test"),
    "checkpoint_peak_bytes": N_("Peak in saving a checkpoint"),
    "worker_bytes": N_("Memory of the loader processes"),
    "host_peak_bytes": N_("Peak of system memory"),
    "host_capacity_bytes": N_("System memory"),
    "address_space_bytes": N_("Address space"),
    "step_seconds": N_("Time of a step"),
    "epoch_seconds": N_("Time of an epoch"),
    "validation_seconds": N_("Time of a validation"),
    "validation_batch_seconds": N_("Time of a validation batch"),
    "validation_field_seconds": N_("Time of a validation field"),
    "test_field_seconds": N_("Time of a test field"),
    "run_seconds": N_("Time of the run"),
    "host": N_("Machine"),
    "hosts": N_("Machines"),
    "rank": N_("Process"),
    "reason": N_("Reason"),
    "phase": N_("Phase"),
    "step": N_("Step"),
}
VERDICTS = {"fits": N_("fits"), "tight": N_("tight"), "does not fit": N_("does not fit")}
PLAIN = {
    "equal": N_("equal"),
    "block mean": N_("block mean"),
    BY_AREA: N_("block mean, weighted by cos(latitude)"),
    "nearest": N_("nearest HR cell"),
    "bilinear": N_("bilinear kernel"),
    "bicubic": N_("bicubic"),
    "lanczos": N_("Lanczos kernel"),
    "gaussian": N_("Gaussian kernel"),
    "product of its own, conservative": N_("product of its own, weighted by area"),
    "product of its own, bilinear": N_("product of its own, bilinear"),
    "product of its own, nearest": N_("product of its own, nearest cell"),
    "standard": N_("standard calendar"),
    "gregorian": N_("standard calendar"),
    "proleptic_gregorian": N_("proleptic Gregorian calendar"),
    "noleap": N_("years of 365 days"),
    "365_day": N_("years of 365 days"),
    "360_day": N_("years of 360 days"),
    "km": "km",
    "cells": N_("cells"),
}
"""Words that files hold, and that are said in the user's language."""


def key_title(path: Sequence[str]) -> str:
    """Return what the entry under these keys is called; parameters keep their names.

    Args:
        path: from the section on, such as ("training", "epochs").
    """
    declared = option_named(".".join(path))
    if declared is not None:
        return declared.title
    if tuple(path[-2:]) == ("ranks", "steps"):  # of a dry run; elsewhere steps are those of time
        return _("Optimizer steps")
    inner = path if len(path) == 1 else path[1:]
    return " · ".join(_part(part) for part in inner if part != "params")


def said(path: Sequence[str], value: Any) -> str | None:
    """Return a value in words where it has some; None for a number or a name."""
    if isinstance(value, str):
        return verdict_text(value) if path[-1] == "verdict" else plain(value)
    if path[-1] in ("hr_shape", "lr_shape") and isinstance(value, list):
        return " × ".join(map(str, value))
    declared = option_named(".".join(path))
    if isinstance(value, bool) or (value is None and declared is not None):
        return value_text(".".join(path), value)
    return None


def verdict_text(verdict: str) -> str:
    """Return a verdict on the memory in the user's language."""
    known = VERDICTS.get(verdict)
    return _(known) if known else verdict


def plain(word: str) -> str:
    """Return a word of a file in the user's language, if it has a translation; else as it is."""
    known = PLAIN.get(word)
    return _(known) if known else word


def _part(part: str) -> str:
    indexed = re.fullmatch(r"(.*)\[(\d+)\]", part, re.DOTALL)  # as `tables` numbers records
    name = indexed[1] if indexed else part
    if name in SPLITS:
        return split_title(name)
    if name in METHODS:
        return method_title(name)
    known = PARTS.get(name)
    title = _(known) if known else name
    return f"{title} {int(indexed[2]) + 1}" if indexed else title
