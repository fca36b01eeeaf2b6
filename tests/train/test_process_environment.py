"""What the processes of a training find in their environment, and that nothing of it stops one."""

import os
from pathlib import Path

import pytest

from srwizard.models.card import FREED_BLOCK
from srwizard.models.catalog import card
from srwizard.train import launch
from srwizard.train.process_environment import SPIN, allocator_settings, settings
from tests.configs import cpu_run, made_up_config
from tests.datasets import write_dataset
from tests.train.runs import epochs, freeze

MALLOC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
GIVEN = ("OMP_WAIT_POLICY", *SPIN, *MALLOC, "GLIBC_TUNABLES")


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GIVEN:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("nothing_set")
def test_threads_spin_for_a_while_before_they_sleep() -> None:
    found = settings(made_up_config())
    assert found.items() >= SPIN.items()
    assert "OMP_WAIT_POLICY" not in found


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize("name", [*SPIN, *MALLOC])
def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "7")
    found = settings(made_up_config())
    assert name not in found
    assert len({*SPIN, *MALLOC} & found.keys()) == len({*SPIN, *MALLOC}) - 1


@pytest.mark.usefixtures("nothing_set")
def test_freed_memory_goes_back_from_a_size_that_is_the_model_s_own() -> None:
    """Several processes exchange weights and gradients: larger blocks would leave holes there."""
    own = card("DDPM").freed_block
    assert own > FREED_BLOCK
    for processes, expected in ((1, own), (2, FREED_BLOCK)):
        run = cpu_run(made_up_config().data, Path("run"), "DDPM", {}, processes=processes)
        assert settings(run).items() >= allocator_settings(expected).items()
        assert settings(run)[MALLOC[0]] == str(expected)


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize("policy", ["PASSIVE", "active"])
def test_how_the_user_lets_threads_wait_holds_for_every_library(
    monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    assert not SPIN.keys() & settings(made_up_config()).keys()


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("glibc.malloc.check=1", "glibc.malloc.check=1:glibc.malloc.hugetlb=1"),
        ("glibc.malloc.hugetlb=0", "glibc.malloc.hugetlb=0"),
    ],
)
def test_tunables_of_the_user_stay(monkeypatch: pytest.MonkeyPatch, given: str, found: str) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", given)
    assert settings(made_up_config())["GLIBC_TUNABLES"] == found


@pytest.mark.slow
@pytest.mark.afresh
@pytest.mark.parametrize(
    "environment",
    [
        {"GOMP_SPINCOUNT": "long", "KMP_BLOCKTIME": "long"},
        {"LD_PRELOAD": "/nowhere/libjemalloc.so.2"},
        {"GLIBC_TUNABLES": "glibc.no.such=1:nonsense", "MALLOC_MMAP_THRESHOLD_": "much"},
    ],
    ids=["settings not understood", "preload not there", "allocator not understood"],
)
def test_a_training_works_where_settings_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    freeze(write_dataset(tmp_path / "data"), tmp_path / "run", epochs=1)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    launch.launch(tmp_path / "run")
    assert len(epochs(tmp_path / "run")) == 1


@pytest.mark.slow
@pytest.mark.afresh
@pytest.mark.usefixtures("nothing_set")
def test_more_ranks_than_cores_that_spin(tmp_path: Path) -> None:
    ranks = len(os.sched_getaffinity(0)) + 1
    freeze(write_dataset(tmp_path / "data"), tmp_path / "run", processes=ranks, epochs=1)
    launch.launch(tmp_path / "run")
    assert len(epochs(tmp_path / "run")) == 1
