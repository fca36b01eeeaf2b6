"""One rank of two whose GPUs differ: `-m tests.train.two_cards OUT_DIR`, under torchrun.

Rank 0 has a card with bfloat16, rank 1 one without; each writes which 16-bit type it would take.
"""

from pathlib import Path
from unittest import mock

import torch

from srwizard.settings.run_config import RunDevices
from srwizard.train.distributed import Place, joined
from srwizard.train.processes import run_and_leave
from srwizard.train.setup import common_amp_dtype


def main(arguments: list[str]) -> int:
    devices = RunDevices(gpus=[], processes=2, nodes=1, backend="gloo")
    with joined(devices) as place:
        on_gpu = Place(place.rank, place.world, torch.device("cuda", place.rank))
        has_bfloat16 = place.rank == 0
        with mock.patch("torch.cuda.is_bf16_supported", lambda **_named: has_bfloat16):
            kind = common_amp_dtype(on_gpu)
        (Path(arguments[0]) / str(place.rank)).write_text(str(kind))
    return 0


if __name__ == "__main__":
    run_and_leave(main)
