"""A machine with made-up GPUs: the wizard meets them through the real binding of NVML.

    def test_something(nvml_world: World) -> None:
        nvml_world.has(card(0), card(1, processes=[Held(pid, mib=512)]))
        subprocess.run([...], env={**os.environ, **nvml_world.environment})
        nvml_world.has(card(0))  # while the program runs, too

The fixture is there for every test; the library is compiled once.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("standin.c")
NAME = "libnvidia-ml.so.1"
RTX_4090 = "NVIDIA GeForce RTX 4090"
ALL = "*"
NO_PERMISSION, NOT_SUPPORTED, DRIVER_NOT_LOADED, FUNCTION_NOT_FOUND = 4, 3, 9, 13
GPU_IS_LOST, VERSION_MISMATCH, IN_USE = 15, 18, 19
EXCLUSIVE_THREAD, PROHIBITED, EXCLUSIVE = 1, 2, 3
BUILT_FOR_CUDA = Path(__file__).with_name("built_for_cuda")


@dataclass(frozen=True)
class Held:
    """Memory that a process holds; None where the driver does not tell."""

    pid: int
    mib: int | None
    mps: bool = False


@dataclass(frozen=True)
class Part:
    """A part of a GPU in MIG mode."""

    uuid: str
    name: str = "NVIDIA A100-SXM4-40GB MIG 1g.5gb"
    total: int = 4864
    free: int = 4861


@dataclass(frozen=True)
class Card:
    """A GPU, sizes in MiB; with `parts`, even none, it is in MIG mode."""

    uuid: str
    name: str = RTX_4090
    total: int = 24166
    free: int = 23859
    utilisation: int | None = 0
    processes: Sequence[Held] = ()
    parts: Sequence[Part] | None = None
    capability: tuple[int, int] | None = (8, 9)
    mode: int | None = 0
    errors: int | None = None


@dataclass(frozen=True)
class Failure:
    """A call of NVML, named without version, that fails: with what, and for which uuid."""

    call: str
    code: int
    uuid: str = ALL


def uuid(number: int) -> str:
    """Return a uuid such as NVML writes them."""
    return f"GPU-{number:08x}-0000-4000-8000-000000000000"


def card(number: int, **properties: object) -> Card:
    """Return an idle RTX 4090 with the uuid of that number, other properties as given."""
    return Card(uuid(number), **properties)  # type: ignore[arg-type]


@dataclass
class World:
    """What the made-up driver reports. `environment` is for the program that is to meet it.

    There, torch passes for one that was built for CUDA 12.8; with another STAND_IN_TORCH_CUDA for
    that, and with none ("") without. What torch really is does not matter then.
    """

    library: Path
    path: Path
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.environment = {
            "LD_LIBRARY_PATH": str(self.library.parent),
            "NVML_WORLD": str(self.path),
            "PYTHONPATH": str(BUILT_FOR_CUDA),
            "STAND_IN_TORCH_CUDA": "12.8",
        }

    def has(
        self, *cards: Card, failing: Sequence[Failure] = (), driver: str = "550.54.14|12040"
    ) -> None:
        """Put this many cards into the machine, in place of what was there, at once.

        Args:
            cards: in their order.
            failing: calls that fail.
            driver: version, and 1000 times the CUDA that it runs.
        """
        lines = [f"driver|{driver}"]
        for one in cards:
            lines.extend(_lines(one))
        lines.extend(f"fail|{item.call}|{item.code}|{item.uuid}" for item in failing)
        new = self.path.with_suffix(".new")
        new.write_text("".join(f"{line}\n" for line in lines))
        new.replace(self.path)


def _lines(one: Card) -> list[str]:
    in_mig_mode = int(one.parts is not None)
    return [
        f"gpu|{one.uuid}|{one.name}|{one.total}|{one.free}|{_told(one.utilisation)}|{in_mig_mode}",
        *(
            f"part|{one.uuid}|{part.uuid}|{part.name}|{part.total}|{part.free}"
            for part in one.parts or ()
        ),
        *(
            f"process|{one.uuid}|{held.pid}|{_told(held.mib)}|{int(held.mps)}"
            for held in one.processes
        ),
        *(
            [f"capability|{one.uuid}|{one.capability[0]}|{one.capability[1]}"]
            if one.capability
            else []
        ),
        *([f"mode|{one.uuid}|{one.mode}"] if one.mode is not None else []),
        *([f"errors|{one.uuid}|{one.errors}"] if one.errors is not None else []),
    ]


def _told(value: int | None) -> str:
    return "-" if value is None else str(value)


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the stand-in."""
    library = tmp_path_factory.mktemp("nvml") / NAME
    subprocess.run(
        ["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
         f"-Wl,-soname,{NAME}", "-o", str(library), str(SOURCE)],
        check=True,
    )  # fmt: skip
    return library


@pytest.fixture
def nvml_world(nvml_library: Path, tmp_path: Path) -> World:
    """A machine with a driver and, so far, no GPU."""
    world = World(nvml_library, tmp_path / "nvml_world.txt")
    world.has()
    return world
