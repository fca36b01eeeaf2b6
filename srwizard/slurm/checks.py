"""What can be answered about a Slurm job, said wrong or right before anything is submitted."""

import re

from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.slurm import client
from srwizard.slurm.client import Partition, SlurmError, seconds_of

SAVING_SECONDS = 120
"""So long before the time limit a job is asked to save its checkpoint and to queue again."""
SHORTEST_SECONDS = 300
OWN_OPTIONS = {
    "job-name": None, "output": None, "error": None, "open-mode": None, "array": "--sweep",
    "partition": "devices.slurm_partition", "account": "devices.slurm_account",
    "time": "devices.slurm_time", "mem": "devices.slurm_memory",
    "mem-per-cpu": "devices.slurm_memory", "mem-per-gpu": "devices.slurm_memory",
    "cpus-per-task": "devices.slurm_cpus", "cpus-per-gpu": "devices.slurm_cpus",
    "nodes": "devices.nodes", "ntasks": "devices.processes",
    "ntasks-per-node": "devices.processes", "ntasks-per-gpu": "devices.processes",
    "gpus": "devices.gpus_per_node", "gpus-per-node": "devices.gpus_per_node",
    "gpus-per-task": "devices.gpus_per_node", "gpus-per-socket": "devices.gpus_per_node",
    "signal": None, "requeue": None, "no-requeue": None, "wrap": None, "wait": None,
    "test-only": None, "parsable": None, "clusters": None, "quiet": None, "verbose": None,
    "help": None, "usage": None, "version": None,
}  # fmt: skip
"""Options of sbatch that srwizard sets itself, or cannot have, and the answer for each."""


def partition_problem(name: str) -> str | None:
    """Say why jobs cannot go to a partition, or None; several are separated by commas.

    Where there is no Slurm to be asked, nothing is wrong: a run may be frozen elsewhere.
    """
    if not re.fullmatch(r"[^\s,]+(,[^\s,]+)*", name):
        return _("{name} cannot be the name of a partition", name=name)
    if not client.available():
        return None
    try:
        known = [partition.name for partition in client.partitions()]
    except SlurmError:
        return None
    for part in name.split(","):
        if part not in known:
            return _(
                "there is no partition {name}; there are: {known}",
                name=part,
                known=listed(known),
            )
    return None


def account_problem(name: str) -> str | None:
    """Say why a text cannot be the name of an account, or None."""
    return (
        None
        if re.fullmatch(r"\S+", name)
        else _("{name} cannot be the name of an account", name=name)
    )


def time_problem(text: str, partition: Partition | None = None) -> str | None:
    """Say why a text is no time limit, or none that the partition grants, or None."""
    seconds = seconds_of(text)
    if seconds is None:
        return _(
            "{text} is not a time limit; write hours:minutes:seconds, such as 12:00:00, or "
            "days-hours, such as 2-12",
            text=text,
        )
    if seconds < SHORTEST_SECONDS:
        return _(
            "{text} is too short: the last two minutes are for saving; at least 5 minutes",
            text=text,
        )
    longest = partition.time_limit_seconds if partition is not None else None
    if partition is not None and longest is not None and seconds > longest:
        return _(
            "{text} is longer than the partition {name} grants: {limit}",
            text=text,
            name=partition.name,
            limit=partition.time_limit,
        )
    return None


def memory_problem(text: str, partition: Partition | None = None) -> str | None:
    """Say why a text is no amount of memory, or more than the partition's nodes have, or None."""
    match = re.fullmatch(r"(\d+)([KMGT]?)", text.strip(), re.IGNORECASE)
    if match is None:
        return _("{text} is not an amount of memory; write it as 64G or 512M", text=text)
    megabytes = int(match[1]) * {"K": 2**-10, "": 1, "M": 1, "G": 2**10, "T": 2**20}[
        match[2].upper()
    ]  # fmt: skip
    if partition is not None and megabytes > partition.memory:
        return _(
            "{text} is more than the nodes of the partition {name} have: {limit} MB",
            text=text,
            name=partition.name,
            limit=partition.memory,
        )
    return None


def directive_problem(text: str) -> str | None:
    """Say why a text cannot be a further option of sbatch, or None."""
    match = re.fullmatch(r"--([a-z][a-z0-9-]*)(=[^\n\r]+)?", text)
    if match is None:
        return _(
            "{text} is not an option of sbatch; write it as --name=value, such as "
            "--constraint=a100",
            text=text,
        )
    # sbatch takes any beginning of an option's name that is clear.
    own = next((name for name in OWN_OPTIONS if name.startswith(match[1])), None)
    if own is None and match[1] == "gres" and "gpu" in (match[2] or ""):
        own = "gpus"
    if own is None:
        return None
    instead = OWN_OPTIONS[own]
    if instead is None:
        return _("--{name} cannot be given: srwizard sets what it needs itself", name=match[1])
    return _("--{name} cannot be given here; use {key}", name=match[1], key=instead)
