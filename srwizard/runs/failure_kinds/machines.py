"""Failures of processes and machines that work together, and of jobs."""

from srwizard.base.i18n import N_
from srwizard.base.i18n import translate as _
from srwizard.runs.failure_kinds.kind import Advice, Kind
from srwizard.settings.answers import Answers
from srwizard.settings.remedy import Remedy

PEER_LOST = "peer_lost"
NODE_LOST = "node_lost"
JOB_ENDED = "job_ended"

BLOCKED = N_("a firewall blocks the rendezvous endpoint")
SAME_COMMAND = N_("run the same command on each of them")


def _on_one_device(answers: Answers) -> Remedy | None:
    if answers.devices.processes <= 1:
        return None
    return Remedy(
        {"devices.gpus": answers.devices.gpus[:1], "devices.processes": 1},
        _("Train on one device instead of {count}", count=answers.devices.processes),
        _("slower, but no process can lose contact"),
    )


KINDS = (
    Kind(
        "port_in_use",
        N_("The rendezvous port of the processes is already in use."),
        causes=(N_("another training took it at the same moment"),),
        advice=(Advice(N_("start again: {again}")),),
        pattern=r"EADDRINUSE|Address already in use",
    ),
    Kind(
        NODE_LOST,
        N_("One of the machines was lost."),
        causes=(
            N_("it was switched off, or ran out of memory as a whole"),
            N_("the network, or the file system that the machines share, failed"),
            N_("a user or a batch system killed srwizard there"),
        ),
        advice=(
            Advice(
                N_("check that machine; then continue from the last checkpoint: {again}")
            ),
            Advice(N_("continue with fewer machines")),
        ),
        pattern=r"has given no sign of life",
    ),
    Kind(
        "machines_differ",
        N_("The machines cannot train this run together."),
        causes=(N_("they have other software, another run directory, or another command"),),
        advice=(
            Advice(N_("install the same versions of srwizard and torch on all of them")),
            Advice(N_("put the run directory on a file system that all of them share")),
            Advice(SAME_COMMAND),
        ),
        pattern=r"^MachinesDifferError",
    ),
    Kind(
        "nobody_joined",
        N_("Not all machines came together in time."),
        causes=(
            N_("the command was not given on all of them, or failed there at once"),
            N_("their --nnodes or --rdzv-endpoint differ"),
            BLOCKED,
        ),
        advice=(
            Advice(N_("check what the command printed on the other machines")),
            Advice(N_("run the same command on each of them, within the time of --join-timeout")),
        ),
        pattern=r"RendezvousTimeoutError|RendezvousClosedError",
    ),
    Kind(
        "endpoint_unreachable",
        N_("The rendezvous endpoint of the machines cannot be reached."),
        causes=(
            N_("--rdzv-endpoint names no machine of the run, or its port is closed"),
            BLOCKED,
            N_("the machine that it names has not begun yet, or has ended"),
        ),
        advice=(
            Advice(N_("name one of the machines by an address that the others can reach")),
            Advice(N_("begin on that machine first")),
        ),
        pattern=r"RendezvousConnectionError|client socket has (timed out|failed)|"
        r"[Tt]he connection to the C10d store has failed|No route to host|"
        r"Name or service not known|[Tt]emporary failure in name resolution",
    ),
    Kind(
        PEER_LOST,
        N_("The processes lost contact with each other."),
        causes=(
            N_("one of them ended; its own failure is the cause"),
            N_("the network or the GPU link failed"),
        ),
        advice=(
            Advice(N_("read the log of the run for the first error")),
            Advice(N_("train on one device"), _on_one_device),
        ),
        pattern=r"Connection closed by peer|Connection reset by peer|NCCL|gloo|DistBackendError|"
        r"DistStoreError|DistNetworkError|connectFullMesh|Broken pipe|Timed out waiting",
    ),
    Kind(
        JOB_ENDED,
        N_("The Slurm job ended before training could say why."),
        causes=(
            N_("its time limit was reached before the first checkpoint"),
            N_("a user or a batch system killed it"),
            N_("srwizard could not be started there: the job's log says why"),
        ),
        advice=(
            Advice(N_("read the job's log: srwizard logs {run_dir}")),
            Advice(N_("ask for more time: devices.slurm_time")),
            Advice(N_("continue with: srwizard submit {run_dir}")),
        ),
    ),
)  # fmt: skip
