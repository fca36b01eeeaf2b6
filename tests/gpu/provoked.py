"""One provoked failure: `-m tests.gpu.provoked NAME DIRECTORY`; how it is recorded goes there."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, Dataset

from srwizard.runs import failures


def too_large_for_the_card() -> None:
    torch.empty(2**46, device="cuda")


def too_large_for_the_machine() -> None:
    torch.empty(2**56)


def no_such_card() -> None:
    torch.zeros(1, device="cuda:99")


def without_cuda() -> None:
    torch.zeros(1, device="cuda")


def index_out_of_range() -> None:
    torch.zeros(2, device="cuda")[torch.tensor([9], device="cuda")]
    torch.cuda.synchronize()


class OnTheCard(Dataset[Any]):
    """Samples that are made on a GPU, as a model or a library might."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, _index: int) -> Any:
        return torch.zeros(1, device="cuda")


def loader_on_the_card() -> None:
    torch.zeros(1, device="cuda")
    list(DataLoader(OnTheCard(), num_workers=1, multiprocessing_context="fork"))


def two_ranks_on_one_card() -> None:
    torch.cuda.set_device(0)
    dist.init_process_group("nccl", device_id=torch.device("cuda", 0))
    dist.all_reduce(torch.ones(1, device="cuda"))


PROVOKED: dict[str, tuple[Callable[[], None], str]] = {
    "too_large_for_the_card": (too_large_for_the_card, "cuda_out_of_memory"),
    "too_large_for_the_machine": (too_large_for_the_machine, "host_out_of_memory"),
    "no_such_card": (no_such_card, "gpu_not_there"),
    "without_cuda": (without_cuda, "no_cuda"),
    "index_out_of_range": (index_out_of_range, "device_failed"),
    "loader_on_the_card": (loader_on_the_card, "cuda_in_loader"),
    "two_ranks_on_one_card": (two_ranks_on_one_card, "gpu_not_there"),
}
"""What fails, and the kind that it is to be recorded as."""


def main() -> None:
    name, directory = sys.argv[1], Path(sys.argv[2])
    try:
        PROVOKED[name][0]()
    except Exception as error:
        failures.record(directory, error, 0, {})


if __name__ == "__main__":
    main()
