"""How many GPUs are worth it: `python -m bench.scaling [--write]`.

An epoch of the [680, 1440] dataset is simulated for 1 to 1024 GPUs (see `bench._cluster`). The
simulation's two ends are held against this machine, in the same run: epochs of a real training in
one process, all-reduces of 2 and 4 processes and DDP steps of 2 (gloo). The reference is what is
measured. With --write tables and figure go to docs/scaling.md; --paper leaves the measuring out.
"""

import argparse
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import matplotlib as mpl
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from bench._cluster import (
    Cluster,
    Job,
    Link,
    all_reduce_seconds,
    binding,
    efficiency,
    epoch_seconds,
)
from bench._epochs import Check, measured
from bench.loader import HR_SHAPE, SCALE
from bench.memory import unsealed_run
from srwizard.memory.predict import on_gpu, predict, with_batch_size
from srwizard.models import build
from srwizard.models.catalog import card, resolve_parameters

DOCUMENT = Path(__file__).parent.parent / "docs" / "scaling.md"
FIGURE = DOCUMENT.parent / "images" / "scaling.svg"

SAMPLES, VALID = 255, 32
GPUS = tuple(1 << power for power in range(11))
FIXED_BATCH, AT_ONCE = 16, 4
"""The batch of one comparison, and how many fields of it a GPU takes at once."""
HALF = 0.5
NPY_HEADER = 128

EFFICIENCY = 0.8
"""Of what a data sheet promises a link: assumed."""
NVLINK = Link(300e9 * EFFICIENCY, 3.4e-6)
"""NVIDIA's data sheet of the A100: 600 GB/s, both directions together."""
PCIE = Link(32e9 * EFFICIENCY, 5.7e-6)
"""PCIe 4.0, 16 lanes: 64 GB/s, both directions together."""
GBIT = 1e9 / 8
NETWORKS = {
    "25 Gb/s Ethernet": Link(25 * GBIT * EFFICIENCY, 30e-6),
    "100 Gb/s Ethernet": Link(100 * GBIT * EFFICIENCY, 30e-6),
    "200 Gb/s InfiniBand": Link(200 * GBIT * EFFICIENCY, 14e-6),
    "8 x 200 Gb/s InfiniBand": Link(8 * 200 * GBIT * EFFICIENCY, 14e-6),
}
"""Of a node. Latencies of NVLink, PCIe and InfiniBand, and that of a call: what NCCL itself
reckons with (`src/graph/tuning.cc`, rings, protocol Simple); that of Ethernet is assumed."""
CLUSTER = Cluster(
    gpus_per_node=8,
    within=NVLINK,
    between=NETWORKS["100 Gb/s Ethernet"],
    call=8.4e-6,
    storage=2e9,
    node_read=1e9,
    write=1e9,
    jitter=0.03,
)
START_SECONDS = 60.0
"""From the command to the first step of all processes: assumed."""
EPOCHS = 500


@dataclass(frozen=True)
class Network:
    """A model of the catalogue in one of its sizes."""

    model: str
    size: str

    @property
    def name(self) -> str:
        """Return it as tables name it."""
        return f"{self.model} {self.size}"

    @property
    def params(self) -> dict[str, object]:
        """Return all its parameters."""
        chosen = card(self.model)
        return dict(resolve_parameters(chosen, chosen.sizes[self.size]))


MODELS = (
    Network("FNO2d", "base"),
    Network("EDSR", "base"),
    Network("SwinIR", "base"),
    Network("EDSR", "large"),
)


def parameters(network: Network) -> int:
    """Count the trained parameters of a network for one variable, without making them."""
    with torch.device("meta"):
        net = build(
            network.model, in_channels=1, out_channels=1, scale=SCALE, params=network.params
        )
    return sum(part.numel() for part in net.parameters() if part.requires_grad)


def sample_bytes(variables: int) -> int:
    """Return what is read for one sample: an HR and an LR file of each variable."""
    height, width = HR_SHAPE
    points = height * width + (height // SCALE) * (width // SCALE)
    return variables * (4 * points + 2 * NPY_HEADER)


def job_of(network: Network, loader_seconds: float) -> Job:
    """Return an epoch of a network in mixed precision, by the roofline of `srwizard.memory.cost`.

    Two batch sizes give the seconds of a sample and those of a step without any.
    """
    run = unsealed_run(network.model, network.params, {"use_amp": True}, hr_shape=HR_SHAPE)
    one_variable = {
        "data": run.data.model_copy(update={"variables": ["temp"]}),
        "model": run.model.model_copy(update={"in_channels": 1, "out_channels": 1}),
    }
    run = on_gpu(run.model_copy(update=one_variable), "A100 80GB")
    one, two = (predict(with_batch_size(run, size)).step_cost for size in (1, 2))
    return Job(
        parameters=parameters(network),
        sample_seconds=two - one,
        launch_seconds=max(2 * one - two, 0.0),
        score_seconds=(two - one) / 3,
        loader_seconds=loader_seconds,
        sample_bytes=sample_bytes(1),
        samples=SAMPLES,
        valid=VALID,
    )


def with_fixed_batch(job: Job) -> Job:
    """Return the job with a batch that more GPUs do not enlarge."""
    return replace(job, batch=FIXED_BATCH, micro=AT_ONCE)


def storage_table() -> Iterator[str]:
    """Yield what an epoch reads, by the number of variables."""
    yield "| variables | a sample, MB | files of a sample | an epoch, GB | files of an epoch |"
    yield "| ---: | ---: | ---: | ---: | ---: |"
    for variables in (1, 2, 4, 10):
        size, files = sample_bytes(variables), 2 * variables
        yield (
            f"| {variables} | {size / 1e6:.2f} | {files} | {SAMPLES * size / 1e9:.2f} | "
            f"{SAMPLES * files} |"
        )


def network_table(jobs: dict[str, Job]) -> Iterator[str]:
    """Yield what a step sends, and what that takes on 16 GPUs of two nodes."""
    names = ["NVLink, 8 GPUs", "PCIe 4.0, 8 GPUs", *NETWORKS]
    yield (
        "| model | parameters | gradients, MB | DDP, 8 / 1024 GPUs, MB | FSDP, 8 / 1024 GPUs, MB "
        "| " + " | ".join(f"{name}, ms" for name in names) + " | backward pass, ms |"
    )
    yield "| --- |" + " ---: |" * (len(names) + 5)
    inside = [(replace(CLUSTER, within=link), 8) for link in (NVLINK, PCIE)]
    across = [(replace(CLUSTER, between=link), 16) for link in NETWORKS.values()]
    for name, job in jobs.items():
        moved = [
            f"{passes * (gpus - 1) / gpus * job.gradient_bytes / 1e6:.0f}"
            for passes in (2, 3)
            for gpus in (8, 1024)
        ]
        times = [
            f"{1e3 * all_reduce_seconds(job.gradient_bytes, gpus, cluster):.2f}"
            for cluster, gpus in (*inside, *across)
        ]
        yield (
            f"| {name} | {job.parameters / 1e6:.2f} M | {job.gradient_bytes / 1e6:.1f} | "
            f"{moved[0]} / {moved[1]} | {moved[2]} / {moved[3]} | {' | '.join(times)} | "
            f"{1e3 * job.sample_seconds * 2 / 3:.0f} |"
        )


def epoch_table(name: str, job: Job) -> Iterator[str]:
    """Yield seconds an epoch by number of GPUs, one field on each or a fixed batch."""
    yield f"**{name}**, 100 Gb/s Ethernet between nodes"
    yield ""
    yield (
        "| GPUs | batch | epoch, s | first epoch, s | reads, MB/s | efficiency | lost most to | "
        f"batch {FIXED_BATCH}: epoch, s | efficiency | lost most to |"
    )
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: | --- |"
    fixed = with_fixed_batch(job)
    for gpus in GPUS:
        seconds = epoch_seconds(job, CLUSTER, gpus)
        cold = epoch_seconds(job, CLUSTER, gpus, cold=True)
        yield (
            f"| {gpus} | {job.global_batch(gpus)} | {seconds:.2f} | {cold:.2f} | "
            f"{SAMPLES * job.sample_bytes / seconds / 1e6:.0f} | "
            f"{efficiency(job, CLUSTER, gpus):.0%} | {binding(job, CLUSTER, gpus)} | "
            f"{epoch_seconds(fixed, CLUSTER, gpus):.2f} | {efficiency(fixed, CLUSTER, gpus):.0%} | "
            f"{binding(fixed, CLUSTER, gpus)} |"
        )
    yield ""


def most_gpus(job: Job, cluster: Cluster) -> int:
    """Return the largest number of GPUs of which at least half are not wasted."""
    return max(gpus for gpus in GPUS if efficiency(job, cluster, gpus) >= HALF)


def worth_table(jobs: dict[str, Job]) -> Iterator[str]:
    """Yield how many GPUs are worth it, by model and by the network between nodes."""
    yield "| model | sharding | " + " | ".join(NETWORKS) + " |"
    yield "| --- | --- |" + " ---: |" * len(NETWORKS)
    for name, job in jobs.items():
        for sharding in ("ddp", "fsdp"):
            kind = replace(job, sharding=sharding)
            found = [
                f"{most_gpus(kind, replace(CLUSTER, between=link))} / "
                f"{most_gpus(with_fixed_batch(kind), replace(CLUSTER, between=link))}"
                for link in NETWORKS.values()
            ]
            yield f"| {name} | {sharding.upper()} | {' | '.join(found)} |"


def run_table(jobs: dict[str, Job]) -> Iterator[str]:
    """Yield the hours of a whole run, with its start, beside what a checkpoint takes."""
    yield (
        "| model | start of a step, ms | a field, ms | checkpoint, MB | "
        f"{EPOCHS} epochs, h: 1 GPU | 8 GPUs | 64 GPUs |"
    )
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name, job in jobs.items():
        hours = [
            f"{(START_SECONDS + EPOCHS * epoch_seconds(job, CLUSTER, gpus)) / 3600:.2f}"
            for gpus in (1, 8, 64)
        ]
        yield (
            f"| {name} | {1e3 * job.launch_seconds:.1f} | {1e3 * job.sample_seconds:.0f} | "
            f"{job.checkpoint_bytes / 1e6:.0f} | {' | '.join(hours)} |"
        )


def check_table(checks: Sequence[Check]) -> Iterator[str]:
    """Yield predictions beside measurements."""
    yield "| what | predicted, s | measured, s | predicted / measured |"
    yield "| --- | ---: | ---: | ---: |"
    for check in checks:
        ratio = f"{median(check.ratios):.2f}"
        if len(check.ratios) > 1:
            ratio += f" ({min(check.ratios):.2f} to {max(check.ratios):.2f})"
        yield (
            f"| {check.name} | {median(check.predicted):.3f} | {median(check.measured):.3f} | "
            f"{ratio} |"
        )
    busy = os.getloadavg()[0] / (os.cpu_count() or 1)
    yield ""
    yield (
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}; "
        f"{busy:.1f} processes a core wanted to run when it ended, these among them."
    )


def draw(jobs: dict[str, Job], path: Path) -> None:
    """Draw the efficiency over the number of GPUs; equal figures give equal bytes."""
    slow, fast = NETWORKS["25 Gb/s Ethernet"], NETWORKS["8 x 200 Gb/s InfiniBand"]
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "scaling", "font.size": 9})
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    titles = ("one field on each GPU", f"batch fixed at {FIXED_BATCH}")
    for axes, title, fixed in zip(panels, titles, (False, True), strict=True):
        for place, (name, one) in enumerate(jobs.items()):
            job = with_fixed_batch(one) if fixed else one
            for link, style, note in ((fast, "-", ""), (slow, ":", ", 25 Gb/s")):
                values = [efficiency(job, replace(CLUSTER, between=link), gpus) for gpus in GPUS]
                label = f"{name}{note}"
                axes.plot(GPUS, values, style, color=f"C{place}", linewidth=1.2, label=label)
        axes.axhline(HALF, color="0.7", linewidth=0.6)
        axes.set_xscale("log", base=2)
        axes.set_xticks(GPUS[::2], [str(gpus) for gpus in GPUS[::2]])
        axes.set(title=title, xlabel="GPUs", ylim=(0, 1.02))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    panels[0].set_ylabel("efficiency")
    panels[1].legend(fontsize=7, frameon=False)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})


def write_block(name: str, lines: Sequence[str]) -> None:
    """Put lines between the marks of this name in the document."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _begin, rest = DOCUMENT.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2]
    body = "\n".join(lines).rstrip()
    DOCUMENT.write_text(f"{before}{begin}\n\n{body}\n\n{end}{after}", encoding="utf-8")


def main(arguments: Sequence[str] = ()) -> None:
    """Measure, simulate, print; write the document if asked."""
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/scaling.md")
    parser.add_argument(
        "--paper",
        metavar="SECONDS",
        type=float,
        help="measure nothing; a loader process takes SECONDS for a sample",
    )
    chosen = parser.parse_args(arguments)
    blocks: dict[str, list[str]] = {}
    loader_seconds = chosen.paper
    if loader_seconds is None:
        sizes = {item.name: 4 * parameters(item) for item in MODELS if item.model != "FNO2d"}
        loader_seconds, checks = measured(sizes)
        blocks["checks"] = [*check_table(checks)]
        blocks["checks"] += [
            "",
            f"A loader process takes {loader_seconds:.3f} s for a sample here.",
        ]
    jobs = {item.name: job_of(item, loader_seconds) for item in MODELS}
    blocks["storage"] = [*storage_table()]
    blocks["network"] = [*network_table(jobs)]
    blocks["worth"] = [*worth_table(jobs)]
    blocks["runs"] = [*run_table(jobs)]
    blocks["epochs"] = [line for name in ("EDSR base", "SwinIR base", "EDSR large")
                        for line in epoch_table(name, jobs[name])]  # fmt: skip
    for lines in blocks.values():
        print("\n".join(lines), end="\n\n")
    if chosen.write:
        for name, lines in blocks.items():
            write_block(name, lines)
        draw(jobs, FIGURE)


if __name__ == "__main__":
    main(sys.argv[1:])
