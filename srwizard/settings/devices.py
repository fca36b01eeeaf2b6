"""The options on where training runs."""

from typing import Annotated

from pydantic import Field

from srwizard.base.choices import Value
from srwizard.base.i18n import N_
from srwizard.settings.option import Condition, Option, Section, Text

LAUNCHERS = (
    Value("here", title=N_("this machine")),
    Value("nodes", title=N_("several machines, by torchrun")),
    Value("slurm", title=N_("a Slurm job")),
)
ELSEWHERE = Condition(
    N_("Only for the launchers nodes and slurm."),
    lambda at: at.answers.get("devices.launcher") != "here",
)
HERE = Condition(
    N_("Only for the launcher here."), lambda at: at.answers.get("devices.launcher") == "here"
)
BY_TORCHRUN = Condition(
    N_("Only for the launcher nodes."), lambda at: at.answers.get("devices.launcher") == "nodes"
)
BY_SLURM = Condition(
    N_("Only for the launcher slurm."), lambda at: at.answers.get("devices.launcher") == "slurm"
)


class DevicesAnswers(Section):
    launcher: Annotated[
        str,
        Option(
            N_("Where to train"),
            N_("On other machines the memory is measured there, before training begins."),
            asked="always",
            choices=LAUNCHERS,
        ),
    ] = "here"
    background: Annotated[
        bool,
        Option(
            N_("Train in the background"),
            N_("The wizard ends once training has begun; `srwizard status` says how far it is."),
            asked="never",
            when=HERE,
        ),
    ] = False
    gpus: Annotated[
        list[Annotated[int, Field(ge=0)]],
        Option(
            N_("Devices"),
            N_(
                "GPU numbers as `srwizard gpus` shows them, none for the CPU. With several GPUs "
                "each takes its own batch (DDP)."
            ),
            asked="always",
            example=[0, 1],
        ),
    ] = Field(default_factory=list)
    nodes: Annotated[
        int,
        Field(ge=1, le=1024),
        Option(
            N_("Machines"),
            N_("The run directory and the dataset must be on a disk that all of them share."),
            asked="always",
            when=ELSEWHERE,
            example=2,
        ),
    ] = 1
    gpus_per_node: Annotated[
        int,
        Field(ge=0, le=64),
        Option(
            N_("GPUs of each machine"),
            N_("One process for each (DDP); 0: the CPU of each machine."),
            asked="always",
            when=ELSEWHERE,
            example=4,
        ),
    ] = 0
    processes: Annotated[
        int,
        Field(ge=1, le=64),
        Option(
            N_("Processes on the CPU"),
            N_(
                "Processes on each machine. One process uses all cores; with more, each "
                "computes its own batch (DDP, gloo). On GPUs there is one for each GPU."
            ),
            asked="always",
            example=2,
        ),
    ] = 1
    rdzv_endpoint: Annotated[
        Text | None,
        Option(
            N_("Rendezvous endpoint (HOST:PORT)"),
            N_(
                "An address of one of the machines that the others can reach, and a free port "
                "there."
            ),
            asked="always",
            when=BY_TORCHRUN,
            example="node01:29500",
        ),
    ] = None
    slurm_partition: Annotated[
        Text | None,
        Option(
            N_("Partition"),
            N_("The Slurm partition that the job waits in."),
            asked="always",
            none=N_("the cluster's default"),
            when=BY_SLURM,
            example="gpu",
        ),
    ] = None
    slurm_time: Annotated[
        Text | None,
        Option(
            N_("Time limit"),
            N_(
                "[days-]hours:minutes:seconds; a training that needs more time is queued again "
                "automatically."
            ),
            asked="always",
            none=N_("the partition's"),
            when=BY_SLURM,
            example="12:00:00",
        ),
    ] = None
    slurm_account: Annotated[
        Text | None,
        Option(
            N_("Account"),
            N_("The Slurm account that is charged."),
            none=N_("the user's own"),
            when=BY_SLURM,
            example="ocean",
        ),
    ] = None
    slurm_memory: Annotated[
        Text | None,
        Option(
            N_("Memory of each machine"),
            N_("What the job asks Slurm for, such as 64G."),
            none=N_("the partition's"),
            when=BY_SLURM,
            example="64G",
        ),
    ] = None
    slurm_cpus: Annotated[
        int | None,
        Field(ge=1, le=1024),
        Option(
            N_("Cores of each machine"),
            N_("What the job asks Slurm for."),
            none=N_("one for each process"),
            when=BY_SLURM,
            example=8,
        ),
    ] = None
    slurm_directives: Annotated[
        list[Text],
        Option(
            N_("Further options of sbatch"),
            N_("Passed to sbatch unchanged, such as --constraint=a100 --qos=long."),
            when=BY_SLURM,
            example=["--constraint=a100"],
        ),
    ] = Field(default_factory=list)

    @property
    def on_gpus(self) -> bool:
        """Whether training runs on GPUs."""
        return bool(self.gpus) or self.gpus_per_node > 0

    @property
    def world_size(self) -> int:
        """Processes of all machines together."""
        return self.processes_per_node * self.nodes

    @property
    def processes_per_node(self) -> int:
        """Processes of one machine: one for each GPU, or as many as chosen on a CPU."""
        return len(self.gpus) or self.gpus_per_node or self.processes
