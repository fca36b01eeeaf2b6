"""The job script: what Slurm runs, readable, and submitted as well by hand with `sbatch`."""

import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from srwizard.base import files
from srwizard.base.errors import EXIT_INTERRUPTED, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.base.visible import in_shell
from srwizard.settings.run_config import RunConfig, RunSlurm
from srwizard.slurm.checks import SAVING_SECONDS

SCRIPT_FILE = "job.sbatch"
RECORD_FILE = "job.json"
STOP_FILE = "job.stop"
BEGUN_FILE = ".job.begun"
FIRST_PORT, PORTS = 20000, 10000
KILLED_BY_USR1 = 128 + 10
"""The exit code of what was asked to stop before it could listen."""


def write_script(run: RunConfig, run_dir: Path) -> Path:
    """Write the job script of a run into its directory and return its path.

    Raises:
        UsageError: the directory cannot be written, or Slurm could not write a log there.
    """
    return _write(run_dir, script_text(run, run_dir))


def write_array_script(runs: Sequence[tuple[RunConfig, Path]], directory: Path) -> Path:
    """Write one job script for several runs, an element of a job array each.

    Args:
        runs: the runs and their directories; they ask Slurm for the same.
        directory: where the script goes.

    Raises:
        UsageError: the directory cannot be written, or Slurm could not write a log there.
    """
    return _write(directory, array_script_text(runs, directory))


def _write(directory: Path, text: str) -> Path:
    path = directory / SCRIPT_FILE
    try:
        files.write_text(path, text, mode=0o755)
    except OSError as error:
        raise UsageError(
            _("{path} cannot be written: {reason}", path=path, reason=reason_of(error))
        ) from None
    return path


def name_of(directory: Path) -> str:
    """Return the name of the job of a directory, in letters that every tool of Slurm prints."""
    return "srwizard-" + (re.sub(r"[^A-Za-z0-9._-]+", "_", directory.name).strip("_") or "run")


def own_id() -> str | None:
    """Return the id of the job that this process runs in, "12", or "12_3" in an array, or None."""
    array, element = (os.environ.get(f"SLURM_ARRAY_{part}") for part in ("JOB_ID", "TASK_ID"))
    return f"{array}_{element}" if array and element else os.environ.get("SLURM_JOB_ID")


def log_name(job: str) -> str:
    """Return the name of the log of a job, "12", or of an element of an array, "12_3"."""
    return f"slurm-{job}.log"


def script_text(run: RunConfig, run_dir: Path) -> str:
    """Return the job script of a run."""
    lines = [
        *_heading(run_dir, in_shell("srwizard", "submit", run_dir)),
        *_directives(run, run_dir, name_of(run_dir), log="slurm-%j.log"),
        "",
        f"run_dir={in_shell(run_dir)}",
        *_work(run, run_dir, run_dir),
    ]
    return "\n".join(lines) + "\n"


def array_script_text(runs: Sequence[tuple[RunConfig, Path]], directory: Path) -> str:
    """Return one job script for several runs below a directory, in the order of the elements."""
    run, first = runs[0]
    lines = [
        *_heading(directory, None),
        *_directives(run, directory, name_of(directory.parent), log="slurm-%A_%a.log"),
        f"#SBATCH --array=0-{len(runs) - 1}",
        "",
        _comment(_("One element of the array for each run.")),
        "run_dirs=(",
        *(f"    {in_shell(run_dir)}" for _run, run_dir in runs),
        ")",
        "run_dir=${run_dirs[$SLURM_ARRAY_TASK_ID]}",
        *_work(run, first, directory),
    ]
    return "\n".join(lines) + "\n"


def _heading(directory: Path, command: str | None) -> Iterator[str]:
    yield "#!/bin/bash"
    by_hand = in_shell("sbatch", directory / SCRIPT_FILE)
    if command is None:
        yield _comment(_("Written by srwizard. Submit it by hand with: {command}", command=by_hand))
        return
    yield _comment(_("Written by srwizard. Submit it with: {command}", command=command))
    yield _comment(_("or by hand: {command}", command=by_hand))


def _work(run: RunConfig, run_dir: Path, directory: Path) -> Iterator[str]:
    yield f"python={in_shell(sys.executable)}"
    yield from _beginning(run_dir, directory)
    yield from _training(run)
    yield from _end()


def _directives(run: RunConfig, directory: Path, name: str, *, log: str) -> Iterator[str]:
    """Yield what the job asks Slurm for."""
    slurm = run.devices.slurm or RunSlurm()
    yield f"#SBATCH --job-name={name}"
    yield _comment(_("A requeued job continues in the same log."))
    yield f'#SBATCH --output={_quoted(_without_patterns(directory))[:-1]}/{log}"'
    yield "#SBATCH --open-mode=append"
    if slurm.partition is not None:
        yield f"#SBATCH --partition={slurm.partition}"
    if slurm.account is not None:
        yield f"#SBATCH --account={slurm.account}"
    yield _comment(_("One launcher on each node, which starts the processes there."))
    yield f"#SBATCH --nodes={run.devices.nodes}"
    yield "#SBATCH --ntasks-per-node=1"
    yield f"#SBATCH --cpus-per-task={_cpus(run)}"
    if run.devices.gpus_per_node:
        yield f"#SBATCH --gpus-per-node={run.devices.gpus_per_node}"
    if slurm.time is not None:
        yield f"#SBATCH --time={slurm.time}"
    if slurm.memory is not None:
        yield f"#SBATCH --mem={slurm.memory}"
    for directive in slurm.directives:
        yield f"#SBATCH {_quoted_value(directive)}"
    yield _comment(
        _("Two minutes before its time is up it saves a checkpoint, and is queued again.")
    )
    yield f"#SBATCH --signal=USR1@{SAVING_SECONDS}"
    yield "#SBATCH --requeue"


def _cpus(run: RunConfig) -> int:
    asked = run.devices.slurm.cpus if run.devices.slurm is not None else None
    # A process on a GPU keeps one core busy, and each of its loaders another.
    each = 1 + (run.training.num_workers or 0) if run.devices.on_gpus else 1
    return asked or run.devices.processes * each


def _without_patterns(directory: Path) -> str:
    """Return a path that Slurm takes as it is.

    Raises:
        UsageError: it holds what stands for something else in the name of a log.
    """
    text = str(directory)
    if re.search(r"[%\\\n\r]", text):
        raise UsageError(
            _("Slurm cannot write a log into {path}", path=directory),
            _("Choose a run directory without %, \\ and line breaks in its path."),
        )
    return text


def _quoted(text: str) -> str:
    """Return a text as sbatch reads it from a line of the script: it has its own rules."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _quoted_value(directive: str) -> str:
    name, equals, value = directive.partition("=")
    plain = re.fullmatch(r"[\w.,:@/+*&|()\[\]-]*", value)
    return directive if plain else f"{name}{equals}{_quoted(value)}"


def _comment(text: str) -> str:
    return f"# {text}"


def _say(message: str, indent: str = "") -> str:
    return f"{indent}echo {shlex.quote(message)}"


def _beginning(run_dir: Path, directory: Path) -> Iterator[str]:
    """Yield the lines before the training: who it is, and whether it is still wanted."""
    log = os.path.relpath(directory / "slurm-", run_dir)
    yield "job=$SLURM_JOB_ID"
    yield 'if [ -n "$SLURM_ARRAY_JOB_ID" ]; then'
    yield "    job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
    yield "fi"
    yield ""
    yield _comment(_("srwizard stop writes the job to end there."))
    yield f'stop_asked() {{ [ "$(cat "$run_dir/{STOP_FILE}" 2> /dev/null)" = "$job" ]; }}'
    yield ""
    yield 'echo "== $(date "+%Y-%m-%d %H:%M:%S")  Slurm job $job, $SLURM_JOB_NODELIST =="'
    yield "if stop_asked; then"
    yield _say(_("It was asked to stop and will not start again."), "    ")
    yield f"    exit {EXIT_INTERRUPTED}"
    yield "fi"
    yield _comment(_("So that srwizard status, logs and stop find this job."))
    yield f'cat > "$run_dir/{RECORD_FILE}.$job" << END'
    yield '{"job": "$job", "name": "$SLURM_JOB_NAME", "uid": $(id -u),'
    yield f' "since": "$(date -u +%Y-%m-%dT%H:%M:%S+00:00)", "log": "{log}$job.log"}}'
    yield "END"
    yield f'mv -f "$run_dir/{RECORD_FILE}.$job" "$run_dir/{RECORD_FILE}"'
    yield f'touch "$run_dir/{BEGUN_FILE}"'
    yield ""


def _training(run: RunConfig) -> Iterator[str]:
    """Yield the lines that measure and train, on all nodes."""
    cpus, nodes = _cpus(run), run.devices.nodes
    step = f"srun --nodes={nodes} --ntasks-per-node=1 --cpus-per-task={cpus}"
    work = '"$python" -P -m srwizard train "$run_dir" --dry-run-first'
    if nodes > 1:
        yield _comment(_("The nodes meet at the first of them."))
        yield 'head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)'
        yield (
            """address=$(scontrol show node "$head" | sed -n 's/.*NodeAddr=\\([^ ]*\\).*/\\1/p')"""
        )
        yield f"port=$(({FIRST_PORT} + SLURM_JOB_ID % {PORTS}))"
        step += " --label"
        work += f' \\\n    --nnodes {nodes} --rdzv-endpoint "${{address:-$head}}:$port"'
    yield _comment(_("Measures the memory first, where training will be; then trains."))
    # A node that ends before the others must not take them along while they save.
    yield f"{step} --kill-on-bad-exit=0 --wait=0 \\"
    yield f"    {work}"
    yield "code=$?"
    yield ""


def _end() -> Iterator[str]:
    """Yield the lines after the training: it is queued again where it was only cut off."""
    yield _comment(_("0: trained; 4: does not fit in memory; 5: failed; 130: stopped, and saved."))
    yield f'if [ "$code" != {EXIT_INTERRUPTED} ] && [ "$code" != {KILLED_BY_USR1} ]; then'
    yield '    exit "$code"'
    yield "fi"
    newer = f'-newer "$run_dir/{BEGUN_FILE}"'
    yield f'saved=$(find "$run_dir/checkpoints" -type f {newer} 2> /dev/null)'
    yield "if stop_asked; then"
    yield _say(_("Stopped on request; it is not queued again."), "    ")
    yield 'elif [ -z "$saved" ]; then'
    yield _say(_("Stopped before there was a new checkpoint; it is not queued again."), "    ")
    yield _say(_("Ask for more time: devices.slurm_time"), "    ")
    yield "else"
    yield _say(_("The checkpoint is saved; the job is queued again."), "    ")
    yield '    scontrol requeue "$SLURM_JOB_ID"'
    yield "fi"
    yield 'exit "$code"'
