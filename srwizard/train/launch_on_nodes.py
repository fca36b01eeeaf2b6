"""Starting the processes of a run on this machine while others do the same on theirs.

Imports no torch.
"""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import IO, Any

from srwizard.data.dataset import Dataset
from srwizard.runs.failures import Ended
from srwizard.settings.run_config import RunConfig
from srwizard.train import processes
from srwizard.train.heartbeats import Heartbeats
from srwizard.train.nodes import Nodes, endpoint_of


def start(
    run: RunConfig,
    run_dir: Path,
    log: IO[bytes],
    module: str,
    *arguments: str,
    dataset: Dataset | None,
    nodes: Nodes | None,
    begin: Callable[[], None] = lambda: None,
    hung_up: Callable[[], None] | None = None,
) -> tuple[Ended, list[dict[str, Any]]]:
    """Run `module` as `processes.start` does, and end it if another machine is lost.

    Returns:
        How it ended here, and how the other machines failed if it did not end well; see
        `Heartbeats.how_they_ended`.
    """
    start_here = partial(
        processes.start,
        run,
        log,
        module,
        *arguments,
        dataset=dataset,
        nodes=nodes,
        begin=begin,
        hung_up=hung_up,
    )
    if nodes is None or endpoint_of(nodes) is None:
        return start_here(), []
    heartbeats = Heartbeats(run_dir)
    how: dict[str, Any] | None = {"returncode": None}
    try:
        # Where torchrun may restart, it is to do so once a machine is lost, not to end.
        given_up = heartbeats.newly_lost if nodes.max_restarts else heartbeats.any_lost
        ended = start_here(given_up=given_up)
        failed = ended.returncode != 0 and not ended.stop_asked
        how = asdict(ended) | {"log": ""} if failed else None
    finally:
        heartbeats.end(how)
    return ended, heartbeats.how_they_ended() if failed else []
