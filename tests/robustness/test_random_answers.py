"""Answers files near the valid ones, most of them valid: exit codes as documented, no traceback."""

import math
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from srwizard.settings import run_config
from srwizard.settings.methods import LOSSES, OPTIMIZERS, SCHEDULES
from tests.datasets import write_dataset
from tests.robustness.in_process import run_here
from tests.robustness.long_runs import note, times
from tests.small_networks import SMALL

VALID: dict[str, tuple[Any, ...]] = {
    "data.variables": (["temp"], None, "temp"),
    "data.scale": (2, "2", None),
    "data.static_variables": ([], ["lon"], ["lat", "lon"]),
    "model.skip": ("auto", "bicubic", "climatology", "linear", "none"),
    "model.conserve": ("none", "additive"),
    "training.epochs": (1, 500, "042", "１２"),
    "training.lr": (0.001, "1e-3", "1e-4", 0.5),
    "training.batch_size": (1, 4, 8),
    "training.grad_accumulation": (1, 2),
    "training.optimizer": tuple(one.name for one in OPTIMIZERS),
    "training.scheduler": tuple(one.name for one in SCHEDULES),
    "training.clip_grad_norm": (None, 1, 0.5),
    "training.ema_decay": (None, 0.9, 0.999),
    "training.patience": (None, 1, 40),
    "training.augment": (None, True, False, "yes", "no"),
    "training.eval_freq": (1, 3),
    "training.num_workers": (None, 0, 2),
    "training.seed": (0, 42, 2**32 - 1),
    "training.time_budget": (None, "24 h", "90 min", "2 d"),
    "devices.gpus": ([], "[]"),
    "devices.processes": (1, 2),
    "memory.use_amp": (True, False),
    "memory.gradient_checkpointing": (True, False),
    "memory.patch_size": (None, 8),
    "confirm": (True, False),
}
STANDARD_ONLY: dict[str, tuple[Any, ...]] = {
    "training.loss": tuple(one.name for one in LOSSES),
}
WRONG: tuple[Any, ...] = (
    None, "", [], {}, -1, 0, 10**30, 1e308, math.nan, math.inf, "null", "auto", True, [None],
    {"a": 1}, "\x1b[2J", "海", "0x10", "1_000", "2026-01-01", [[[]]],
)  # fmt: skip
QUICK_MODELS = ("EDSR", "RCAN", "UNet2d", "FNO2d", "DDPM")


def put(document: dict[str, Any], key: str, value: Any) -> None:
    *sections, name = key.split(".")
    for section in sections:
        document = document.setdefault(section, {})
    document[name] = value


def valid_answers(draw: random.Random, root: Path, run_dir: Path) -> dict[str, Any]:
    model = draw.choice(QUICK_MODELS)
    document: dict[str, Any] = {
        "data": {"root": str(root)},
        "output": {"dir": str(run_dir)},
        "model": {"name": model, "params": dict(SMALL[model])},
        "confirm": True,
    }
    known = VALID | (STANDARD_ONLY if model != "DDPM" else {})
    for key in draw.sample(sorted(known), draw.randint(0, 8)):
        put(document, key, draw.choice(known[key]))
    return document


def near(draw: random.Random, document: dict[str, Any]) -> str:
    """Return the text of an answers file with one mistake in it."""
    key = draw.choice(sorted(VALID))
    match draw.randrange(5):
        case 0:
            put(document, key, draw.choice(WRONG))
        case 1:
            put(document, key + draw.choice(("s", "_", "")), draw.choice(VALID[key]))
        case 2:
            del document[draw.choice(sorted(document))]
        case 3:
            document[draw.choice(sorted(document))] = draw.choice(WRONG)
        case _:
            text = yaml.safe_dump(document)
            place = draw.randrange(len(text))
            return (
                text[:place]
                + draw.choice(("", ":", "\t", "[", "'", "\n", "%", "&a"))
                + (text[place + draw.randrange(4) :])
            )
    return yaml.safe_dump(document, allow_unicode=True)


@times(20, 2_000)
@pytest.mark.slow
def test_random_answers(tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    root, run_dir = write_dataset(tmp_path / "data"), tmp_path / "run"
    draw, codes = random.Random(f"answers {count}"), Counter[int]()
    for _number in range(count):
        document = valid_answers(draw, root, run_dir)
        text = yaml.safe_dump(document) if draw.random() < 0.7 else near(draw, document)
        (tmp_path / "answers.yaml").write_text(text, encoding="utf-8", errors="replace")
        ended = run_here("--answers", tmp_path / "answers.yaml", "--stop-after", "frozen")
        assert ended.code in (0, 2, 3, 4, 6), (text, ended.said)
        assert "Traceback" not in ended.said, text
        # A mistake in output.dir, or without it, leads to another directory.
        assert (ended.code == 0) == ("Frozen:" in ended.said), (text, ended.said)
        if run_dir.exists():
            assert run_config.load(run_dir).output.dir == str(run_dir)
            shutil.rmtree(run_dir)
        codes[ended.code] += 1
    assert codes[0] > count / 2, codes
    if count > 1000:
        note(f"answers files: {count}; exit codes {dict(sorted(codes.items()))}")
