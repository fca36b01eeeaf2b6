"""Preparing against a plain copy of the same bytes: `python -m bench.preparing`.

Daily fields [680, 1440] with land are written to NetCDF files. The reference copies these files
with two processes, which read and write in pieces of 4 MiB and do nothing else; `prepare --jobs 2`
reads the same bytes, writes them as HR and their block means as LR. Both are timed in turns, with
the files on the disk, as they are when they are prepared for the first time, and in the page cache;
medians of several rounds. Then the peak memory of records of 300 and of 3000 steps [340, 720] is
compared, in one process and in two.
"""

import argparse
import contextlib
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

SHAPE, STEPS, FILES, SCALE = (680, 1440), 240, 4, 4
SMALL_SHAPE, RECORDS, STEPS_A_FILE = (340, 720), (300, 3000), 10
ROUNDS, PROCESSES = 9, 2
PIECE = 4 * 2**20
LEAST_RATIO = 0.7
LARGEST_GROWTH = 0.05
WATCHED_EVERY = 0.02

MEASURED = """
import sys
from pathlib import Path

from srwizard.data.prepare import prepare

if __name__ == "__main__":
    source, out, jobs = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    prepare(sorted(source.iterdir()), variables={"sst": "sst"}, scale=4, split=(0.7, 0.15, 0.15),
            out=out, jobs=jobs)
"""


def write_sources(root: Path, steps: int, files: int, shape: tuple[int, int]) -> None:
    """Write a record in NetCDF files of equal length; a step is one chunk, not compressed."""
    # Not with the module: the processes that copy import it, and need nothing of all this.
    import h5netcdf
    import numpy as np

    rng = np.random.default_rng(0)
    field = (15 + rng.normal(size=shape).cumsum(axis=0).cumsum(axis=1) / 500).astype(np.float32)
    field[: shape[0] // 4, : shape[1] // 4] = np.nan
    root.mkdir()
    each = steps // files
    for number in range(files):
        with h5netcdf.File(root / f"{number:04d}.nc", "w") as file:
            file.dimensions = {"time": each, "lat": shape[0], "lon": shape[1]}
            times = np.arange(number * each, (number + 1) * each)
            file.create_variable("time", ("time",), data=times).attrs["units"] = (
                "days since 1993-01-01"
            )
            for name, low, high, units in (
                ("lat", -60.0, 60.0, "degrees_north"),
                ("lon", 0.0, 359.0, "degrees_east"),
            ):
                values = np.linspace(low, high, shape[name == "lon"])
                file.create_variable(name, (name,), data=values).attrs["units"] = units
            sst = file.create_variable(
                "sst", ("time", "lat", "lon"), np.float32, chunks=(1, *shape), fillvalue=np.nan
            )
            sst.attrs["units"] = "degC"
            for step in range(each):
                sst[step] = field + np.float32(0.01 * (number * each + step))
    os.sync()  # what has not been written cannot be dropped from the page cache


def copy(source: Path, target: Path) -> None:
    """Copy a file in pieces, through memory."""
    with source.open("rb", buffering=0) as read, target.open("wb", buffering=0) as written:
        while piece := read.read(PIECE):
            written.write(piece)


def copy_all(sources: Path, out: Path) -> None:
    """Copy all files, two at a time."""
    out.mkdir()
    files = sorted(sources.iterdir())
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        pool.starmap(copy, [(file, out / file.name) for file in files], chunksize=1)


def prepare_all(sources: Path, out: Path) -> None:
    """Prepare the dataset, reading with two processes."""
    from srwizard.data.prepare import prepare

    prepare(
        sorted(sources.iterdir()), variables={"sst": "sst"}, scale=SCALE, split=(0.7, 0.15, 0.15),
        out=out, jobs=PROCESSES,
    )  # fmt: skip


def drop_from_page_cache(directory: Path) -> None:
    """Have the files read from the disk next time."""
    for path in directory.iterdir():
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def seconds(work: Callable[[Path], None], out: Path) -> float:
    """Time one run, and empty the files that it has made.

    They are not removed: ext4 passes over inodes that were freed a moment ago, one by one, for each
    file that is made.
    """
    begun = time.perf_counter()
    work(out)
    took = time.perf_counter() - begun
    for path in out.rglob("*"):
        if path.is_file():
            os.truncate(path, 0)
    return took


def compare_speed(place: Path) -> bool:
    """Print the ratios; return whether the one of files on the disk is large enough."""
    import srwizard.data.prepare  # noqa: F401  (what every run imports is not timed)

    sources = place / "sources"
    write_sources(sources, STEPS, FILES, SHAPE)
    size = sum(file.stat().st_size for file in sources.iterdir()) / 2**20
    ways = {"copy": partial(copy_all, sources), "prepare": partial(prepare_all, sources)}
    ratios = {}
    for where in ("on the disk", "in the page cache"):
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(ROUNDS):
            for name, work in ways.items():
                if where == "on the disk":
                    drop_from_page_cache(sources)
                taken[name].append(seconds(work, place / f"{name}, {where}, {turn}"))
        plain, ours = (statistics.median(taken[name]) for name in ways)
        ratios[where] = plain / ours
        print(
            f"{STEPS} steps of {SHAPE}, {size:.0f} MiB {where}: plain copy {plain:.2f} s "
            f"({size / plain:.0f} MiB/s), prepare --jobs {PROCESSES} {ours:.2f} s "
            f"({size / ours:.0f} MiB/s): ratio {plain / ours:.2f}",
            flush=True,
        )
    print(f"goal: at least {LEAST_RATIO} where the files are on the disk")
    shutil.rmtree(sources)
    return ratios["on the disk"] >= LEAST_RATIO


def peak_memory(place: Path, steps: int, jobs: int) -> float:
    """Return the peak of the memory in MiB that all processes hold together."""
    sources, out, script = place / f"sources-{steps}", place / "out", place / "measured.py"
    if not sources.exists():
        write_sources(sources, steps, steps // STEPS_A_FILE, SMALL_SHAPE)
    script.write_text(MEASURED)
    words = [sys.executable, str(script), str(sources), str(out), str(jobs)]
    peak = 0
    # Watched from outside: a process that has a thread for that would not fork others.
    with subprocess.Popen(words) as started:
        while started.poll() is None:
            peak = max(peak, held_by(started.pid))
            time.sleep(WATCHED_EVERY)
    if started.returncode:
        raise subprocess.CalledProcessError(started.returncode, words)
    shutil.rmtree(out)
    return peak / 2**20


def held_by(number: int) -> int:
    """Return the bytes of memory of a process and those below it, what they share counted once.

    That is their proportional shares; where processes are forked, they share most of what they do
    not change.
    """
    import psutil

    total = 0
    with contextlib.suppress(psutil.Error):  # it has ended meanwhile
        process = psutil.Process(number)
        for each in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += each.memory_full_info().pss
    return total


def compare_memory(place: Path) -> bool:
    """Print the peaks; return whether they are flat."""
    flat = True
    for jobs in (1, PROCESSES):
        short, long = (peak_memory(place, steps, jobs) for steps in RECORDS)
        growth = long / short - 1
        flat &= growth <= LARGEST_GROWTH
        print(
            f"peak memory with --jobs {jobs}: {short:.0f} MiB for {RECORDS[0]} steps, "
            f"{long:.0f} MiB for {RECORDS[1]}: {growth:+.1%} (goal: at most {LARGEST_GROWTH:.0%})",
            flush=True,
        )
    return flat


def main() -> int:
    """Run both parts; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, help="where the files are written")
    given, _others = parser.parse_known_args()
    with tempfile.TemporaryDirectory(dir=given.directory) as scratch:
        place = Path(scratch)
        return int(not (compare_speed(place) & compare_memory(place)))


if __name__ == "__main__":
    sys.exit(main())
