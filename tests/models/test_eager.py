"""Trainings that compile nothing do without the compiler; whoever compiles has all of it."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from srwizard.models.checkpointing import run_block
from srwizard.models.eager import eager, stay_eager

TRAINED = """
import sys, torch
from torch.nn.parallel import DistributedDataParallel
from srwizard.models.checkpointing import run_block
from srwizard.models.eager import eager, stay_eager

stay_eager()
torch.distributed.init_process_group("gloo", init_method="file://" + sys.argv[1],
                                     rank=0, world_size=1)

class Checkpointed(torch.nn.Linear):
    def forward(self, x):
        return run_block(super().forward, x, checkpointed=True)

for kind in (torch.optim.AdamW, torch.optim.Adam, torch.optim.SGD):
    network = DistributedDataParallel(Checkpointed(3, 3))
    optimizer = eager(kind)(network.parameters(), lr=0.1, fused=True)
    for _step in range(2):
        optimizer.zero_grad()
        network(torch.ones(2, 3)).square().sum().backward()
        torch.amp.GradScaler("cpu", enabled=False).step(optimizer)
    optimizer.load_state_dict(optimizer.state_dict())
"""
NOT_LOADED = """
left = sorted(name for name in sys.modules if name.startswith(("torch._dynamo", "sympy")))
assert not left, left[:5]
"""
COMPILED = """
torch._dynamo.config.cache_size_limit = 5
import torch._dynamo.config as config
assert config.cache_size_limit == 5
assert torch._dynamo.config is config and torch._dynamo is sys.modules["torch._dynamo"]
seen = []
def backend(graph, _inputs):
    seen.append(graph)
    return graph.forward
network = torch.nn.Linear(3, 3)
found = torch.compile(network, backend=backend)(torch.ones(3))
assert seen and torch.equal(found, network(torch.ones(3)))
"""


def run_afresh(code: str, meeting: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code, str(meeting)], capture_output=True, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.afresh
@pytest.mark.parametrize("then", [NOT_LOADED, COMPILED], ids=["eager", "compiled later"])
def test_the_compiler_is_there_for_those_who_compile(then: str, tmp_path: Path) -> None:
    done = run_afresh(TRAINED + then, tmp_path / "meeting")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.Adam, torch.optim.SGD])
def test_a_step_is_that_of_torch(kind: type[torch.optim.Optimizer]) -> None:
    stay_eager()
    torch.manual_seed(0)
    first = nn.Linear(3, 3)
    second = copy.deepcopy(first)
    for network, chosen in ((first, kind), (second, eager(kind))):
        optimizer = chosen(network.parameters(), lr=0.1)  # type: ignore[call-arg]
        for _step in range(3):
            optimizer.zero_grad()
            run_block(network, torch.ones(2, 3), checkpointed=True).square().sum().backward()
            optimizer.step()
        assert isinstance(optimizer, kind)
    for ours, theirs in zip(second.parameters(), first.parameters(), strict=True):
        assert torch.equal(ours, theirs)
