"""A data-parallel epoch on paper: what the exchange of gradients takes, and a small simulation.

Steps are discrete. In each, every rank waits for its batch, computes, and exchanges gradients; the
slowest rank decides when the next one begins. Plain NumPy: nothing of torch, no GPU.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

MIB = 2**20
FIRST_BUCKET, BUCKET = MIB, 25 * MIB
"""Bytes of DDP's buckets: the defaults of `DistributedDataParallel`."""
BACKWARD = 2 / 3
"""Share of the backward pass in a step: it multiplies twice where the forward pass does once."""
PREFETCH = 2
"""Batches that each worker of a DataLoader makes ahead, `prefetch_factor`."""
SCALARS = 2
"""Small all-reduces of every step: the loss, and whether somebody wants to stop."""
WORTHWHILE = 0.9
"""Above this efficiency nothing limits a run but the GPUs' own speed."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Link:
    """What a GPU or a node sends in one direction: bytes per second, and seconds of latency."""

    bandwidth: float
    hop: float


@dataclass(frozen=True)
class Cluster:
    """The machines.

    Attributes:
        gpus_per_node: processes of one node.
        within: between the GPUs of a node, for each GPU.
        between: between nodes, for each node.
        call: seconds to start a collective.
        storage: bytes per second that a file system delivers to all nodes together.
        node_read: bytes per second that one node reads at most.
        write: bytes per second of one process that writes.
        jitter: relative standard deviation of a step's computation.
        overlap: whether gradients travel while the backward pass still computes.
        tree: whether the library may take trees instead of rings (NCCL does, gloo does not).
        shared_by: processes that `within` is measured for, where more share it (cores); None: any.
    """

    gpus_per_node: int
    within: Link
    between: Link
    call: float = 0.0
    storage: float = math.inf
    node_read: float = math.inf
    write: float = math.inf
    jitter: float = 0.0
    overlap: bool = True
    tree: bool = True
    shared_by: int | None = None

    def nodes(self, gpus: int) -> int:
        """Return how many nodes so many GPUs fill."""
        return -(-gpus // self.gpus_per_node)

    def bandwidth(self, gpus: int) -> float:
        """Return bytes per second of the narrowest place that a ring over all GPUs passes."""
        inside = self.within.bandwidth
        if self.shared_by is not None:
            inside *= min(1.0, self.shared_by / gpus)
        return inside if self.nodes(gpus) == 1 else min(inside, self.between.bandwidth)


@dataclass(frozen=True)
class Job:
    """One epoch of a run.

    Attributes:
        parameters: that are trained.
        sample_seconds: of a GPU for one sample, forward and backward.
        launch_seconds: of a micro-batch, however small: kernels are started, Python runs.
        score_seconds: of a GPU for one sample of validation.
        loader_seconds: of one loader process for one sample that lies in memory.
        sample_bytes: read from storage for one sample.
        batch: samples of all GPUs together in an optimizer step; None: `micro` on each GPU.
        micro: most samples of a GPU in one micro-batch.
        workers: loader processes of each GPU; 0: the training process reads.
        samples: of the training split.
        valid: of the validation split.
        sharding: DDP, or FSDP with `units` blocks.
        whole: samples are not divided; False only to find out what that costs.
    """

    parameters: int
    sample_seconds: float
    launch_seconds: float = 0.0
    score_seconds: float = 0.0
    loader_seconds: float = 0.0
    sample_bytes: float = 0.0
    batch: int | None = None
    micro: int = 1
    workers: int = 4
    samples: int = 255
    valid: int = 0
    sharding: Literal["ddp", "fsdp"] = "ddp"
    units: int = 16
    whole: bool = True

    @property
    def gradient_bytes(self) -> int:
        """Bytes of the gradients, in float32."""
        return 4 * self.parameters

    @property
    def checkpoint_bytes(self) -> int:
        """Bytes of the weights and AdamW's two moments."""
        return 3 * self.gradient_bytes

    def global_batch(self, gpus: int) -> int:
        """Return the samples of one optimizer step: never more than there are."""
        return min(self.samples, self.batch or self.micro * gpus)

    def shares(self, gpus: int) -> list[float]:
        """Return for each step what a GPU computes: where it cannot be divided, all fill up."""
        size = self.global_batch(gpus)
        members = [min(size, self.samples - start) for start in range(0, self.samples, size)]
        return [self.share(count, gpus) for count in members]

    def share(self, count: int, gpus: int) -> float:
        """Return the part of `count` samples that each GPU takes."""
        return -(-count // gpus) if self.whole else count / gpus


def ring_seconds(size: float, gpus: int, cluster: Cluster, rounds: int = 2) -> float:
    """Return what a ring takes: each GPU sends `rounds` (n - 1)/n of `size` bytes.

    Args:
        size: bytes of what is reduced or gathered.
        gpus: that take part, n.
        cluster: their links.
        rounds: 2 for an all-reduce, 1 for an all-gather or a reduce-scatter.
    """
    if gpus == 1:
        return 0.0
    nodes = cluster.nodes(gpus)
    crossing = nodes / gpus if nodes > 1 else 0.0
    hop = crossing * cluster.between.hop + (1 - crossing) * cluster.within.hop
    passes = rounds * (gpus - 1)
    return cluster.call + passes * (hop + size / gpus / cluster.bandwidth(gpus))


def tree_seconds(size: float, gpus: int, cluster: Cluster) -> float:
    """Return what trees between nodes take, and chains within: up and down once."""
    if gpus == 1:
        return 0.0
    levels = math.ceil(math.log2(cluster.nodes(gpus)))
    chain = min(gpus, cluster.gpus_per_node) - 1
    latency = levels * cluster.between.hop + chain * cluster.within.hop
    return cluster.call + 2 * (latency + size / cluster.bandwidth(gpus))


def all_reduce_seconds(size: float, gpus: int, cluster: Cluster) -> float:
    """Return what an all-reduce of `size` bytes takes in the quicker way."""
    ring = ring_seconds(size, gpus, cluster)
    return min(ring, tree_seconds(size, gpus, cluster)) if cluster.tree else ring


def buckets(size: int) -> list[int]:
    """Return the bytes of DDP's buckets, in the order in which they are full."""
    found: list[int] = []
    left = size
    while left > 0:
        found.append(min(left, BUCKET if found else FIRST_BUCKET))
        left -= found[-1]
    return found


def epoch_seconds(job: Job, cluster: Cluster, gpus: int, *, cold: bool = False) -> float:
    """Return what an epoch takes: training, validation and the checkpoint.

    Args:
        job: the run.
        cluster: the machines.
        gpus: how many of them.
        cold: read all from storage, as in the first epoch; else from memory.
    """
    load = _load_seconds(job, cluster, gpus, cold=cold)
    small = all_reduce_seconds(8, gpus, cluster)
    scored = job.share(job.valid, gpus)
    streams = max(job.workers, 1)
    waiting = max(job.score_seconds, load / streams) if job.workers else job.score_seconds + load
    validation = scored * waiting + (load if job.workers and scored else 0.0) + 4 * small
    return _training(job, cluster, gpus, load) + validation + job.checkpoint_bytes / cluster.write


def _load_seconds(job: Job, cluster: Cluster, gpus: int, *, cold: bool) -> float:
    """Return what one loader process takes for one sample while all others read, too."""
    if not cold:
        return job.loader_seconds
    # Ranks beyond the batch fill up with a sample that another one of their node has read.
    readers = min(gpus, job.global_batch(gpus))
    on_node = min(readers, cluster.gpus_per_node)
    batches = sum(math.ceil(share / job.micro) for share in job.shares(gpus))
    at_once = max(1, min(job.workers, batches))
    rate = min(cluster.storage / readers, cluster.node_read / on_node) / at_once
    return job.loader_seconds + job.sample_bytes / rate


def _training(job: Job, cluster: Cluster, gpus: int, load: float) -> float:
    """Go through the steps of an epoch; return its seconds."""
    shares = job.shares(gpus)
    # Row by row: a rank has the same luck however many there are.
    luck = np.random.default_rng(0).standard_normal((gpus, len(shares)))
    slowness = np.exp(cluster.jitter * luck - cluster.jitter**2 / 2)
    now = np.zeros(gpus)
    loader = _Loader(job.workers, load, gpus)
    small = SCALARS * all_reduce_seconds(8, gpus, cluster)
    for step, share in enumerate(shares):
        parts = [min(job.micro, share - done) for done in np.arange(0, share, job.micro)]
        for number, part in enumerate(parts, start=1):
            now = loader.take(now, part)
            seconds = (job.launch_seconds + part * job.sample_seconds) * slowness[:, step]
            last = number == len(parts)
            if job.sharding == "fsdp" and gpus > 1:
                now = now.max() + _sharded(job, cluster, gpus, float(seconds.max()), last=last)
            else:
                now = now + seconds
                if last and gpus > 1:
                    now = np.full(gpus, _exchanged(job, cluster, gpus, now, seconds))
        if gpus > 1:
            now = now + small
    return float(now.max())


class _Loader:
    """The batches of every rank: its workers take turns and stay a few batches ahead."""

    def __init__(self, workers: int, seconds: float, gpus: int) -> None:
        self._workers, self._seconds, self._gpus = workers, seconds, gpus
        self._ready: list[Floats] = []
        self._taken: list[Floats] = []

    def take(self, now: Floats, samples: float) -> Floats:
        """Return when each rank has its next batch of so many samples, asked for at `now`."""
        work = samples * self._seconds
        if not self._workers:
            return now + work
        place, ahead = len(self._ready), PREFETCH * self._workers
        begin = np.zeros(self._gpus)
        if place >= self._workers:
            begin = self._ready[place - self._workers]
        if place >= ahead:
            begin = np.maximum(begin, self._taken[place - ahead])
        self._ready.append(begin + work)
        self._taken.append(np.maximum(now, self._ready[place]))
        return self._taken[place]


def _exchanged(job: Job, cluster: Cluster, gpus: int, ends: Floats, seconds: Floats) -> float:
    """Return when DDP has exchanged all buckets; `ends` is when each rank ends its backward."""
    free, done = 0.0, 0
    for size in buckets(job.gradient_bytes):
        done += size
        left = 1 - done / job.gradient_bytes if cluster.overlap else 0.0
        full = float((ends - left * BACKWARD * seconds).max())
        free = max(free, full) + all_reduce_seconds(size, gpus, cluster)
    return max(free, float(ends.max()))


def _sharded(job: Job, cluster: Cluster, gpus: int, seconds: float, *, last: bool) -> float:
    """Return a micro-batch of FSDP: parameters gathered twice, gradients scattered at the end.

    A block is gathered while the one before it computes, so that the longer of the two counts.
    """
    moved = ring_seconds(job.gradient_bytes / job.units, gpus, cluster, rounds=1)
    forward = (1 - BACKWARD) * seconds / job.units
    backward = BACKWARD * seconds / job.units
    back = 2 * moved if last else moved
    there = moved + max(moved, forward) * (job.units - 1) + forward
    return there + moved + max(back, backward) * (job.units - 1) + backward + (back - moved)


def efficiency(job: Job, cluster: Cluster, gpus: int) -> float:
    """Return the time of one GPU over the time of all, added up."""
    return epoch_seconds(job, cluster, 1) / (gpus * epoch_seconds(job, cluster, gpus))


def without(limit: str, job: Job, cluster: Cluster) -> tuple[Job, Cluster]:
    """Return job and cluster without one of the limits."""
    free = Link(math.inf, 0.0)
    match limit:
        case "network":
            return job, replace(cluster, within=free, between=free, call=0.0)
        case "batch":
            return replace(job, whole=False), cluster
        case "loader":
            return replace(job, loader_seconds=0.0), cluster
        case "launches":
            return replace(job, launch_seconds=0.0), cluster
        case "slowest rank":
            return job, replace(cluster, jitter=0.0)
        case "checkpoint":
            return job, replace(cluster, write=math.inf)
    raise ValueError(limit)


LIMITS = ("network", "batch", "loader", "launches", "slowest rank", "checkpoint")


def binding(job: Job, cluster: Cluster, gpus: int) -> str:
    """Return the limit without which the efficiency would be highest, or "computing"."""
    if efficiency(job, cluster, gpus) >= WORTHWHILE:
        return "computing"
    found = {name: efficiency(*without(name, job, cluster), gpus) for name in LIMITS}
    return max(found, key=lambda name: found[name])
