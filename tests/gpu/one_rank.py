"""One rank of NCCL, or of gloo: `-m tests.gpu.one_rank DEVICE DIRECTORY`, under torchrun.

An all-reduce, then a network sharded by FSDP2: a step, saved, changed, read back. What came of it
goes to `DIRECTORY/found.json`.
"""

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from srwizard.train import sharded_checkpoint
from srwizard.train.distributed import Place
from srwizard.train.sharding import is_sharded, shard, whole


def main() -> None:
    device, directory = torch.device(sys.argv[1]), Path(sys.argv[2])
    on_card = device.type == "cuda"
    dist.init_process_group(
        "nccl" if on_card else "gloo", device_id=torch.device("cuda", 0) if on_card else None
    )
    total = torch.ones(3, device=device)
    dist.all_reduce(total)
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Linear(32, 32), nn.GELU()) for _layer in range(4)]
    net = shard(nn.Sequential(*layers), Place(0, dist.get_world_size(), device))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    net(torch.randn(8, 32, device=device)).square().mean().backward()
    optimizer.step()
    kept = {name: whole(part).clone() for name, part in net.state_dict().items()}
    group = dist.new_group(backend="gloo")
    saved = sharded_checkpoint.begin_save(directory / "saved", net.state_dict(), group)
    sharded_checkpoint.finish_save(saved)
    with torch.no_grad():
        for part in net.parameters():
            part.zero_()
    sharded_checkpoint.read_into(directory / "saved", net.state_dict(), group)
    read = {name: whole(part) for name, part in net.state_dict().items()}
    found = {
        "backend": dist.get_backend(),
        "sum": total.tolist(),
        "sharded": all(map(is_sharded, net.parameters())),
        "read_as_saved": all(torch.equal(kept[name], part) for name, part in read.items()),
        "on": str(next(net.parameters()).device.type),
    }
    (directory / "found.json").write_text(json.dumps(found))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
