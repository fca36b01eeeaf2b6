"""Several machines that train one run together: where they meet, and how torchrun is told.

Imports no torch.
"""

import os
import socket
from dataclasses import dataclass

import psutil

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.settings.run_config import RunConfig

LOOPBACK = "127.0.0.1"
MEETING_IN_A_FILE = "--rdzv-conf=store_type=file"
ANSWER_SECONDS = 60
"""How long the endpoint may take to answer."""
JOIN_SECONDS = 600
"""How long one machine waits for the others: somebody may have to type the command there."""


@dataclass(frozen=True)
class Nodes:
    """The machines of one run.

    Args:
        count: how many.
        endpoint: where they meet, "HOST:PORT" of one of them; None: there is only this one.
        max_restarts: how often torchrun may start the processes anew after a failure.
        join_seconds: how long to wait until all of them have come.
    """

    count: int = 1
    endpoint: str | None = None
    max_restarts: int = 0
    join_seconds: int = JOIN_SECONDS


def nodes_of(
    run: RunConfig,
    count: int | None,
    endpoint: str | None,
    max_restarts: int = 0,
    join_seconds: int = JOIN_SECONDS,
) -> Nodes | None:
    """Return the machines: as the run config says, or else the command line; None: only this one.

    Raises:
        UsageError: they contradict each other, one of the two is missing, or the endpoint is not
            HOST:PORT.
    """
    if join_seconds < 1 or max_restarts < 0:
        raise UsageError(_("--join-timeout must be at least 1, --max-restarts at least 0"))
    frozen = run.devices.nodes
    if count is not None and frozen > 1 and count != frozen:
        raise UsageError(
            _(
                "--nnodes {count}: the run was frozen for {frozen} machines",
                count=count,
                frozen=frozen,
            ),
            _("Leave --nnodes out, or freeze the answers again."),
        )
    count = count or frozen
    endpoint = endpoint or (run.devices.rdzv_endpoint if count > 1 else None)
    if count == 1 and endpoint is None:
        return Nodes(max_restarts=max_restarts) if max_restarts else None
    example = _("Example: --nnodes 2 --rdzv-endpoint node1:29500, on each machine.")
    if count < 2 or endpoint is None:
        raise UsageError(
            _("--nnodes (2 or more) and --rdzv-endpoint belong together"),
            example,
        )
    problem = endpoint_problem(endpoint)
    if problem is not None:
        raise UsageError(f"--rdzv-endpoint: {problem}", example)
    return Nodes(count, endpoint, max_restarts, join_seconds)


def endpoint_problem(endpoint: str) -> str | None:
    """Say why this cannot be where machines meet, or None where it can."""
    host, _colon, port = endpoint.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        return _("{endpoint} is not HOST:PORT", endpoint=endpoint)
    return None


def endpoint_of(nodes: Nodes | None) -> str | None:
    """Return where several machines meet, None where there is only this one."""
    return nodes.endpoint if nodes is not None else None


def _who_is_host(endpoint: str) -> str:
    """Tell torchrun whether the endpoint is on this machine, where it could not find out itself.

    It compares names and addresses, and fails on a machine that does not know its own name.
    """
    there = _address_of(endpoint)
    if there is None or own_address(endpoint) != there:
        return ",is_host=0"
    return "" if _address_of(f"{socket.gethostname()}:0") else ",is_host=1"


def _address_of(endpoint: str) -> str | None:
    host, _colon, port = endpoint.rpartition(":")
    try:
        return str(socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0][4][0])
    except OSError:
        return None


def own_address(endpoint: str) -> str | None:
    """Return the address under which the other machines see this one; None where it is not known.

    It is that of the interface on the way to the endpoint. A host's own name is no good for this:
    many resolve it to the loopback interface.
    """
    host, _colon, port = endpoint.rpartition(":")
    try:
        # Nothing is sent: the kernel only looks up the way.
        family, kind, *_rest, place = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(place)
            return str(probe.getsockname()[0])
    except OSError:
        return None


def network_settings(nodes: Nodes | None) -> dict[str, str]:
    """Return the environment that leads gloo and NCCL to the network between the machines.

    On one machine it is the loopback interface: nobody else has to reach the processes. What the
    user has set is left alone.
    """
    endpoint = endpoint_of(nodes)
    address = own_address(endpoint) if endpoint is not None else LOOPBACK
    if address is None:
        return {}
    interface = next(
        (
            name
            for name, addresses in psutil.net_if_addrs().items()
            if address in {one.address for one in addresses}
        ),
        None,
    )
    if interface is None:
        return {}
    names = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
    return {name: interface for name in names if name not in os.environ}


def torchrun_options(nodes: Nodes | None) -> list[str]:
    """Return what torchrun has to know of the machines."""
    if nodes is None or nodes.endpoint is None:
        # In a file: the store that torchrun would open on a port listens on every interface.
        meeting = [
            "--nnodes=1", "--rdzv-backend=c10d", MEETING_IN_A_FILE, f"--local-addr={LOOPBACK}",
        ]  # fmt: skip
    else:
        address = own_address(nodes.endpoint)
        meeting = [
            *([f"--local-addr={address}"] if address else []),
            f"--nnodes={nodes.count}",
            "--rdzv-backend=c10d",
            f"--rdzv-endpoint={nodes.endpoint}",
            # One for every run: machines that were given different ones shall meet, and say so.
            "--rdzv-id=srwizard",
            f"--rdzv-conf=join_timeout={nodes.join_seconds},"
            f"read_timeout={min(nodes.join_seconds, ANSWER_SECONDS)}{_who_is_host(nodes.endpoint)}",
        ]
    restarts = nodes.max_restarts if nodes is not None else 0
    return [*meeting, *([f"--max-restarts={restarts}"] if restarts else [])]
