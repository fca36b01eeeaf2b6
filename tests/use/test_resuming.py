"""A prediction that was interrupted goes on where it stopped, and ends as if it had not been."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from srwizard import load_run
from srwizard.base.errors import InterruptedByUserError, UsageError
from srwizard.use import cf_file, output
from srwizard.use.inputs import open_input
from srwizard.use.predict import predict
from tests.datasets import write_dataset
from tests.e2e.terminal import CTRL_C, PROGRAM, Terminal
from tests.use.conftest import Command
from tests.use.records import record

VARIABLES = ("salt", "temp")
STEPS = 45


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset whose test split keeps the diffusion run busy for a while."""
    return write_dataset(
        tmp_path_factory.mktemp("long") / "data", variables=VARIABLES, steps=(1, 1, STEPS)
    )


def wait_for_steps(out: Path) -> None:
    """Wait until some steps are noted as complete."""
    note = out.with_name(out.name + ".partial.json")
    until = time.monotonic() + 120
    while not (note.exists() and '"done": 0' not in note.read_text()):
        assert time.monotonic() < until
        assert not out.exists(), "too fast to be interrupted"
        time.sleep(0.01)


def uninterrupted(run_dir: Path, dataset: Path, out: Path, members: int) -> None:
    names = {name: name for name in VARIABLES}
    predict(load_run(run_dir), open_input([dataset], names, None), out, members=members)


@pytest.mark.slow
def test_after_a_kill_and_after_a_ctrl_c_it_goes_on(
    srwizard: Command, tmp_path: Path, long: Path, diffusion: Path, environment: dict[str, str]
) -> None:
    out = tmp_path / "out.nc"
    command = ["predict", str(diffusion), str(long), "-o", str(out), "--members", "8"]
    killed = subprocess.Popen([PROGRAM, *command], env=environment, stdout=subprocess.DEVNULL)
    wait_for_steps(out)
    killed.kill()
    killed.wait()
    assert not out.exists()

    other = srwizard(*command[:-1], "2")
    assert other.returncode == 2
    assert "was left by another prediction; what differs: members" in other.stderr

    terminal = Terminal(command, cwd=tmp_path, environment=environment)
    terminal.wait_for(f"/{STEPS}")
    terminal.send(CTRL_C)
    assert terminal.wait_for_end() == 130
    assert "steps are kept in" in terminal.text
    assert "Run the same command again to continue." in terminal.text
    assert not out.exists()

    done = srwizard(*command)
    assert done.returncode == 0, done.stderr
    assert "of the steps were already there from an earlier run of this command." in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.nc"]
    uninterrupted(diffusion, long, tmp_path / "whole.nc", members=8)
    with xr.open_dataset(out) as one, xr.open_dataset(tmp_path / "whole.nc") as whole:
        xr.testing.assert_equal(one, whole)


@pytest.mark.broad
def test_a_request_to_stop_is_one_for_a_batch_system_too(
    tmp_path: Path, long: Path, diffusion: Path, environment: dict[str, str]
) -> None:
    out = tmp_path / "out.nc"
    process = subprocess.Popen(
        [PROGRAM, "predict", str(diffusion), str(long), "-o", str(out), "--members", "8"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for_steps(out)
    process.send_signal(signal.SIGTERM)
    _output, complaint = process.communicate()
    assert process.returncode == 130
    assert f"of {STEPS} steps are kept in {out}.partial" in complaint


def test_two_processes_do_not_write_one_file(tmp_path: Path, dataset: Path, edsr: Path) -> None:
    run, out = load_run(edsr), tmp_path / "out.nc"
    found = open_input([dataset], {name: name for name in VARIABLES}, None)
    first = output.Partial(out, {"made": "up"})
    layers = cf_file.layers_of("temp", {}, ensemble=False, members=None)
    first.open(cf_file.Description(layers, found.grid, ["a"], None, "", {}), anew=False)
    with pytest.raises(UsageError, match="another process is writing"):
        predict(run, found, out)
    first.close()


@pytest.mark.parametrize("change", ["variables", "further file"])
def test_what_is_left_of_one_input_is_not_gone_on_with_for_another(
    tmp_path: Path,
    dataset: Path,
    edsr: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
) -> None:
    """As where Ctrl-C is pressed because the wrong input was named."""
    files = [tmp_path / name for name in ("a.nc", "b.nc", "c.nc")]
    source = record(dataset)
    for file, steps in zip(files, ([0, 1], [2], [2]), strict=True):
        source.isel(time=steps).to_netcdf(file, engine="h5netcdf")
    names = {name: name for name in VARIABLES}
    run, out = load_run(edsr), tmp_path / "out.nc"
    found = open_input(files[:2], names, None)
    compute, done = run.members_of_step, []

    def interrupted(*given: Any, **named: Any) -> Any:
        if done:
            raise KeyboardInterrupt
        done.append(1)
        return compute(*given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(run, "members_of_step", interrupted)
        with pytest.raises(InterruptedByUserError):
            predict(run, found, out)
    other = files[:2]
    if change == "variables":
        names = dict(zip(VARIABLES, reversed(VARIABLES), strict=True))
    else:
        other = [files[0], files[2]]
    with pytest.raises(UsageError, match=r"what differs: .*input"):
        predict(run, open_input(other, names, None), out)


def test_too_little_space_is_told_before_the_work(
    tmp_path: Path, dataset: Path, edsr: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nearly_full(_path: Path) -> os.terminal_size:
        return type("Usage", (), {"free": 1000})()  # type: ignore[return-value]

    monkeypatch.setattr(output.shutil, "disk_usage", nearly_full)
    with pytest.raises(UsageError, match=r"out\.nc would take 11 KB, and 1 KB are free"):
        uninterrupted_edsr(edsr, dataset, tmp_path / "out.nc")
    assert list(tmp_path.iterdir()) == []


def uninterrupted_edsr(run_dir: Path, dataset: Path, out: Path) -> None:
    predict(load_run(run_dir), open_input([dataset], {name: name for name in VARIABLES}, None), out)


def test_what_a_full_disk_refuses_is_said_and_the_target_stays(
    tmp_path: Path, dataset: Path, edsr: Path
) -> None:
    out = tmp_path / "out.nc"
    out.write_text("mine")
    run = load_run(edsr)
    found = open_input([dataset], {name: name for name in VARIABLES}, None)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    earlier = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        with pytest.raises(
            UsageError, match="cannot be written: the file would be larger than is allowed"
        ):
            predict(run, found, out, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, earlier)
    assert out.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out.nc"]


PEAK_OF_THE_COMMAND = """
import contextlib, pathlib
from srwizard.__main__ import main
with contextlib.suppress(SystemExit):
    main()
status = pathlib.Path("/proc/self/status").read_text()
print("peak", next(line.split()[1] for line in status.splitlines() if "VmHWM" in line))
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_record(
    tmp_path: Path, anywhere: Path, environment: dict[str, str]
) -> None:
    peaks = []
    for count in (2, 62):
        data, out = tmp_path / str(count), tmp_path / f"{count}.nc"
        write_dataset(data, variables=VARIABLES, steps=(1, 1, count), hr_shape=(144, 192))
        # Not what the kernel says of an ended child: that counts this process, which it began as.
        done = subprocess.run(
            [sys.executable, "-c", PEAK_OF_THE_COMMAND, "predict", anywhere, data, "-o", out],
            env=environment, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        assert out.exists()
        peaks.append(int(done.stdout.split()[-1]) * 1024)
    size = (tmp_path / "62.nc").stat().st_size
    assert size > 60 * 2 * 144 * 192 * 4
    assert peaks[1] - peaks[0] < size / 2, peaks
