"""Runs on real data for the benchmarks: prepared and frozen by srwizard, trained in this process.

On one thread, so that the processor time of a step does not depend on what else the machine does.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import iris_sample_data
import torch
import xarray as xr

from srwizard.models.catalog import ModelCard, cards
from srwizard.runs.records import Records
from srwizard.settings import run_config, yaml_file
from srwizard.settings.run_config import RunConfig
from srwizard.train.dataset import verified
from srwizard.train.distributed import Place
from srwizard.train.loop import Callbacks
from srwizard.train.loop import train as training_loop
from srwizard.train.setup import Training, load_statistics, set_up
from srwizard.train.simple_methods import load_learnt


@dataclass(frozen=True)
class Dataset:
    """A record and what is made of it.

    Attributes:
        source: the file.
        variables: in the file, by their names in the dataset.
        options: of `srwizard prepare`, besides.
    """

    name: str
    title: str
    source: Path
    variables: Mapping[str, str]
    scale: int
    options: Sequence[str] = ()


SAMPLES = Path(iris_sample_data.path)
FERRET = Path("/usr/share/ferret-vis/data")
DATASETS = (
    Dataset(
        "OSTIA",
        "OSTIA: monthly sea-surface temperature of the tropics, scale 2",
        SAMPLES / "ostia_monthly.nc",
        {"temp": "surface_temperature"},
        2,
    ),
    Dataset(
        "HadGEM2",
        "HadGEM2: annual air temperature over North America, scale 3",
        SAMPLES / "E1_north_america.nc",
        {"temp": "air_temperature"},
        3,
    ),
    Dataset(
        "winds",
        "Navy winds: monthly, global, scale 3",
        FERRET / "monthly_navy_winds.cdf",
        {"u": "UWND", "v": "VWND"},
        3,
        ("--lat", "-88:90"),
    ),
)
"""The winds are there where Debian's package ferret-datasets is installed."""
TWO = DATASETS[:2]
DIFFUSION_PARAMETERS = {"sampling_steps": 8, "ensemble_members": 8}
MODES = {"MWT2d": {"modes": 2}}
"""The fields are small: theirs are the modes that the finest wavelets have."""


def prepared(dataset: Dataset, work: Path) -> Path:
    """Make the dataset directory, unless it is there."""
    root = work / dataset.name / "data"
    if not root.exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        names = [
            part
            for name, there in dataset.variables.items()
            for part in ("--variable", there, "--name", name)
        ]
        srwizard(
            "prepare", str(_netcdf4(dataset, root.parent)), *names, "--scale", str(dataset.scale),
            *dataset.options, "-o", str(root),
        )  # fmt: skip
    return root


def _netcdf4(dataset: Dataset, work: Path) -> Path:
    """Return the source as NetCDF-4: older formats are converted first, as users do with nccopy."""
    if dataset.source.suffix == ".nc":
        return dataset.source
    found = xr.open_dataset(dataset.source, engine="scipy", decode_times=False)
    target = work / "source.nc"
    found.to_netcdf(target, engine="h5netcdf")
    return target


def frozen(
    run_dir: Path,
    root: Path,
    model: Mapping[str, Any],
    training: Mapping[str, Any],
    data: Mapping[str, Any] | None = None,
    memory: Mapping[str, Any] | None = None,
) -> Path:
    """Freeze a run of these answers on the CPU, unless that is done; return its directory."""
    if not (run_dir / "run.yaml").exists():
        run_dir.parent.mkdir(parents=True, exist_ok=True)
        answers = {
            "data": {"root": str(root), **(data or {})},
            "output": {"dir": str(run_dir)},
            "model": dict(model),
            "training": dict(training),
            "devices": {"gpus": [], "processes": 1},
            "memory": {
                "use_amp": False,
                "gradient_checkpointing": False,
                "when_tight": "accept",
                **(memory or {}),
            },
            "confirm": True,
        }
        file = run_dir.parent / f"{run_dir.name}.yaml"
        file.write_text(yaml_file.dump(answers), encoding="utf-8")
        srwizard("--answers", str(file), "--stop-after", "frozen")
    return run_dir


def made_ready(run_dir: Path, run: RunConfig | None = None) -> Training:
    """Set a frozen run up in this process, as its worker would.

    Args:
        run_dir: that of the frozen run.
        run: what is trained, if not that run as it is.
    """
    kept = run_config.load(run_dir)
    contents = verified(kept).contents
    statistics, learnt = (
        load_statistics(kept, run_dir, contents),
        load_learnt(kept, run_dir, contents),
    )
    place = Place(0, 1, torch.device("cpu"))
    return set_up(run or kept, contents, statistics, place, learnt=learnt)


def trained(training: Training, run_dir: Path) -> None:
    """Train to the end; records and checkpoints go to `run_dir`."""
    run_dir.mkdir(parents=True, exist_ok=True)
    training_loop(training, run_dir, Records(run_dir), Callbacks())


def srwizard(*arguments: str) -> None:
    """Run the command; end with what it says where it fails."""
    command = [sys.executable, "-m", "srwizard", *arguments]
    environment = os.environ | {"LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    if ended.returncode:
        raise SystemExit(f"{' '.join(command)}\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")


def write_between(document: Path, lines: Sequence[str]) -> None:
    """Put lines in the place of what stands between the marks `<!-- NAME: begin -->` and `end`."""
    begin, end = f"<!-- {document.stem}: begin -->", f"<!-- {document.stem}: end -->"
    before, _begin, rest = document.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2]
    body = "\n".join(lines).rstrip()
    document.write_text(f"{before}{begin}\n{body}\n{end}{after}", encoding="utf-8")


def print_tables(
    arguments: Sequence[str],
    datasets: Sequence[Dataset],
    table: Callable[[Dataset, Sequence[ModelCard], Path], Iterator[str]],
    document: Path,
) -> None:
    """Print a table for each dataset, each line once it is known; see the callers' docstrings.

    Args:
        arguments: names of models and datasets, a directory for the runs, `--write`.
        datasets: those there are; one whose source is missing is left out with a notice.
        table: yields the lines of one dataset.
        document: where the tables go with `--write`.
    """
    known = {*cards(), *(one.name for one in datasets)}
    parser = argparse.ArgumentParser(description="A table for each dataset, line by line.")
    parser.add_argument("words", nargs="*", metavar="WORD", help="a model, a dataset, a directory")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {document.name}")
    given = parser.parse_args(arguments)
    named = {item for item in given.words if item in known}
    models = [one for one in cards().values() if one.name in named] or list(cards().values())
    wanted = [one for one in datasets if one.name in named] or list(datasets)
    places = [item for item in given.words if item not in named]
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(places[0] if places else temporary).absolute()
        for dataset in wanted:
            if not dataset.source.exists():
                print(f"{dataset.name}: {dataset.source} is not there; left out", flush=True)
                continue
            for line in table(dataset, models, work):
                print(line, flush=True)
                lines.append(line)
    if given.write:
        write_between(document, lines)
