"""The simulation of docs/scaling.md: formulas against counting, and what holds of any cluster."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import _cluster
from bench._cluster import (
    LIMITS,
    Cluster,
    Job,
    Link,
    all_reduce_seconds,
    binding,
    buckets,
    efficiency,
    epoch_seconds,
    ring_seconds,
    without,
)
from bench.scaling import DOCUMENT, MODELS, SAMPLES, parameters, sample_bytes, storage_table
from srwizard.train.order import training_steps

POWERS = [2**power for power in range(11)]

links = st.builds(Link, st.floats(1e8, 1e12), st.floats(0, 1e-4))
clusters = st.builds(
    Cluster,
    gpus_per_node=st.sampled_from([1, 4, 8]),
    within=links,
    between=links,
    call=st.floats(0, 1e-4),
    storage=st.floats(1e8, 1e11),
    node_read=st.floats(1e8, 1e11),
    write=st.floats(1e8, 1e10),
    jitter=st.floats(0, 0.2),
    overlap=st.booleans(),
    tree=st.booleans(),
)
jobs = st.builds(
    Job,
    parameters=st.integers(1, 10**8),
    sample_seconds=st.floats(1e-3, 1.0),
    launch_seconds=st.floats(0, 0.1),
    score_seconds=st.floats(0, 0.5),
    loader_seconds=st.floats(0, 0.2),
    sample_bytes=st.floats(0, 5e7),
    batch=st.none() | st.sampled_from([16, 64]),
    micro=st.sampled_from([1, 2, 4]),
    workers=st.sampled_from([0, 1, 4]),
    samples=st.sampled_from([64, 255]),
    valid=st.sampled_from([0, 32]),
    sharding=st.sampled_from(["ddp", "fsdp"]),
)


def ring_by_hand(
    size: float, times: list[float], hops: list[float]
) -> tuple[float, list[float], bool]:
    """Pass chunks round a ring, one message after the other.

    Args:
        size: bytes that are reduced.
        times: seconds a byte on the link from each rank to the next.
        hops: seconds of latency on it.

    Returns:
        Seconds, the bytes that each rank has sent, and whether all ranks hold the whole sum.
    """
    ranks = len(times)
    chunk = size / ranks
    held = np.eye(ranks)[:, None, :].repeat(ranks, axis=1)  # [rank, chunk, whose part is in it]
    ready = np.zeros((ranks, ranks))  # [rank, chunk]: when it may be sent on
    free, sent = np.zeros(ranks), np.zeros(ranks)
    for turn in range(2 * (ranks - 1)):
        before, when = held.copy(), ready.copy()
        for rank in range(ranks):
            to, piece = (rank + 1) % ranks, (rank - turn) % ranks
            free[rank] = max(free[rank], when[rank, piece]) + chunk * times[rank]
            sent[rank] += chunk
            reduces = turn < ranks - 1
            held[to, piece] = before[rank, piece] + (before[to, piece] if reduces else 0)
            ready[to, piece] = max(ready[to, piece], free[rank] + hops[rank])
    return float(ready.max()), [float(part) for part in sent], bool((held == 1).all())


@pytest.mark.parametrize("gpus", [2, 3, 8])
def test_the_ring_formula_is_that_of_a_ring_passed_round_by_hand(gpus: int) -> None:
    link, size = Link(2e9, 5e-6), 6.4e6
    seconds, sent, complete = ring_by_hand(size, [1 / link.bandwidth] * gpus, [link.hop] * gpus)
    assert complete
    assert sent == pytest.approx([2 * (gpus - 1) / gpus * size] * gpus)
    assert ring_seconds(size, gpus, Cluster(8, link, link)) == pytest.approx(seconds)


def test_a_ring_over_nodes_goes_at_the_pace_of_its_narrowest_link() -> None:
    within, between, size = Link(2e11, 3e-6), Link(1e10, 2e-5), 1e8
    ring = [between if rank % 8 == 7 else within for rank in range(32)]
    seconds, _sent, complete = ring_by_hand(
        size, [1 / link.bandwidth for link in ring], [link.hop for link in ring]
    )
    found = ring_seconds(size, 32, Cluster(8, within, between))
    assert complete
    assert seconds <= found <= 1.1 * seconds


@given(cluster=clusters, size=st.floats(1, 1e9))
def test_one_gpu_exchanges_nothing(cluster: Cluster, size: float) -> None:
    assert ring_seconds(size, 1, cluster) == 0
    assert all_reduce_seconds(size, 1, cluster) == 0


@given(job=jobs, cluster=clusters)
def test_the_network_is_nothing_to_one_gpu(job: Job, cluster: Cluster) -> None:
    slow = replace(cluster, within=Link(1e3, 1.0), between=Link(1e3, 1.0), call=1.0)
    assert epoch_seconds(job, slow, 1) == epoch_seconds(job, cluster, 1)


@given(
    job=jobs,
    cluster=clusters,
    gpus=st.sampled_from(POWERS[:8]),
    place=st.sampled_from(["within", "between", "storage", "node_read", "write"]),
)
@settings(deadline=None)
def test_twice_the_bandwidth_is_never_slower(
    job: Job, cluster: Cluster, gpus: int, place: str
) -> None:
    value = getattr(cluster, place)
    faster = replace(value, bandwidth=2 * value.bandwidth) if isinstance(value, Link) else 2 * value
    wide = replace(cluster, **{place: faster})
    for cold in (False, True):
        before = epoch_seconds(job, cluster, gpus, cold=cold)
        assert epoch_seconds(job, wide, gpus, cold=cold) <= before * (1 + 1e-12)


@given(job=jobs, cluster=clusters, batch=st.sampled_from([16, 64]))
@settings(deadline=None)
def test_efficiency_falls_with_the_number_of_gpus_at_a_fixed_batch(
    job: Job, cluster: Cluster, batch: int
) -> None:
    fixed = replace(job, batch=batch)
    found = [efficiency(fixed, cluster, gpus) for gpus in POWERS[:9]]
    assert found[0] == 1
    assert all(more <= fewer * (1 + 1e-9) for fewer, more in itertools.pairwise(found))


@given(job=jobs, cluster=clusters, gpus=st.sampled_from(POWERS[:8]), limit=st.sampled_from(LIMITS))
@settings(deadline=None)
def test_without_a_limit_nothing_takes_longer(
    job: Job, cluster: Cluster, gpus: int, limit: str
) -> None:
    # How a slow rank falls out is luck in one step, and a gain only on the whole.
    steady = replace(cluster, jitter=0.0)
    freed = epoch_seconds(*without(limit, job, steady), gpus)
    assert freed <= epoch_seconds(job, steady, gpus) * (1 + 1e-9)


@pytest.mark.parametrize(("gpus", "batch"), [(1, 16), (6, 16), (16, 16), (40, 16), (300, 255)])
def test_a_gpu_computes_what_training_gives_it(gpus: int, batch: int) -> None:
    """The simulation's shares are those of the training core, fillings included."""
    batch_size = -(-batch // gpus)
    job = Job(1, 1.0, batch=batch_size * gpus, micro=batch_size, samples=SAMPLES)
    real = training_steps(
        SAMPLES, epoch=1, seed=0, batch_size=batch_size, accumulation=1, world=gpus, rank=0
    )
    assert job.shares(gpus) == [sum(map(len, step.micro_batches)) for step in real]


def test_more_gpus_than_samples_bring_nothing() -> None:
    job, steady = Job(10**6, 0.1, samples=SAMPLES), Cluster(8, Link(1e11, 0), Link(1e10, 0))
    times = [epoch_seconds(job, steady, gpus) for gpus in (255, 256, 1024)]
    assert times[0] == pytest.approx(0.1, rel=0.05)
    assert times[0] <= times[1] <= times[2]


@pytest.mark.parametrize(
    ("name", "job", "cluster"),
    [
        ("network", {"parameters": 10**9}, {}),
        ("batch", {"batch": 8, "micro": 8}, {}),
        ("loader", {"loader_seconds": 1.0, "workers": 1}, {}),
        ("slowest rank", {}, {"jitter": 0.5}),
        ("launches", {"launch_seconds": 5.0, "micro": 4, "batch": 64}, {}),
        ("checkpoint", {}, {"write": 1e5}),
    ],
)
def test_the_limit_that_was_made_is_the_one_that_is_named(
    name: str, job: dict[str, float], cluster: dict[str, float]
) -> None:
    links_ = (Link(1e11, 1e-6), Link(1e10, 1e-5))
    made = replace(Job(10**6, 0.5, samples=64), **job)  # type: ignore[arg-type]
    machines = replace(Cluster(8, *links_), **cluster)  # type: ignore[arg-type]
    assert binding(made, machines, 32) == name


def test_ddp_hides_its_exchange_behind_the_backward_pass() -> None:
    job = Job(25 * 10**6, 1.0, samples=64, batch=16)
    cluster = Cluster(8, Link(1e10, 0), Link(1e10, 0), tree=False)
    shown = epoch_seconds(job, cluster, 8)
    alone = epoch_seconds(job, replace(cluster, overlap=False), 8)
    free = epoch_seconds(*without("network", job, cluster), 8)
    whole = 4 * ring_seconds(job.gradient_bytes, 8, cluster)
    assert alone - free == pytest.approx(whole, rel=0.01)
    last = ring_seconds(buckets(job.gradient_bytes)[-1], 8, cluster)
    assert shown - free == pytest.approx(4 * last, rel=0.01)


def test_buckets_hold_all_gradients() -> None:
    assert buckets(60 * _cluster.MIB) == [size * _cluster.MIB for size in (1, 25, 25, 9)]


def test_fsdp_moves_half_as_much_again() -> None:
    """Where nothing but the network takes time, and many GPUs share it in many blocks."""
    job = Job(10**8, 1e-9, samples=64, batch=64, units=64)
    cluster = Cluster(8, Link(1e9, 0), Link(1e9, 0), tree=False)
    ddp, fsdp = (
        epoch_seconds(replace(job, sharding=kind), cluster, 64) for kind in ("ddp", "fsdp")
    )
    assert fsdp / ddp == pytest.approx(1.5, rel=0.01)


def test_a_sample_is_as_large_as_its_files(tmp_path: Path) -> None:
    for name, shape in (("hr", (680, 1440)), ("lr", (170, 360))):
        np.save(tmp_path / f"{name}.npy", np.zeros(shape, dtype=np.float32))
    assert sample_bytes(3) == 3 * sum(file.stat().st_size for file in tmp_path.iterdir())


def test_the_page_shows_what_is_read_and_how_large_the_networks_are() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for line in storage_table():
        assert line in text, "run: python -m bench.scaling --write"
    for network in MODELS:
        assert f"| {network.name} | {parameters(network) / 1e6:.2f} M |" in text
