"""The questions about training on other machines: several by torchrun, or a Slurm job."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.prompts.question import Choice, Question
from srwizard.settings.answers import DevicesAnswers, key_problem
from srwizard.slurm import checks, client
from srwizard.slurm.client import Partition, SlurmError
from srwizard.train.nodes import endpoint_problem
from srwizard.wizard.conversation import Conversation, Maker

HERE, NODES, SLURM = "here", "nodes", "slurm"
OF_OTHER_MACHINES = tuple(
    name
    for name in DevicesAnswers.model_fields
    if name in ("nodes", "gpus_per_node", "rdzv_endpoint") or name.startswith("slurm_")
)


def launcher_question(conversation: Conversation) -> Question:
    """Return the question where training runs; Slurm is offered where there is one."""
    choices = [
        Choice(HERE, _("this machine")),
        Choice(NODES, _("several machines, by torchrun")),
    ]
    if client.available() or conversation.session.answers.devices.launcher == SLURM:
        choices.append(Choice(SLURM, _("a Slurm job")))
    return Question(
        key="devices.launcher",
        text=_("Where to train"),
        kind="one",
        default=HERE,
        help=_("On other machines the memory is measured there, before training begins."),
        choices=tuple(choices),
        check=lambda value: key_problem("devices.launcher", value),
    )


def problem_here(devices: DevicesAnswers) -> str | None:
    """Say which answer is about other machines although training runs on this one, or None."""
    for name in OF_OTHER_MACHINES:
        if getattr(devices, name) != getattr(DevicesAnswers(), name):
            return _(
                "devices.{name} is about other machines, but devices.launcher is here", name=name
            )
    return None


def ask(conversation: Conversation) -> None:
    """Ask for the machines, and what a job shall have of them.

    Raises:
        Back: the user went back from the first question.
    """
    answers = conversation.session.answers
    answers.set("devices.gpus", [])
    offered = _partitions(conversation)
    makers: list[Maker] = [
        lambda: _nodes(answers.devices),
        lambda: _gpus(offered),
        lambda: _processes(answers.devices),
    ]
    if answers.devices.launcher == NODES:
        makers.append(_endpoint)
    else:
        makers += _slurm_questions(
            answers.devices, offered, all_of_them=not conversation.prompts.interactive
        )
    conversation.ask_in_turn(makers)
    if answers.devices.gpus_per_node:
        answers.set("devices.processes", answers.devices.gpus_per_node)


def _nodes(devices: DevicesAnswers) -> Question:
    fewest = 2 if devices.launcher == NODES else 1

    def problem(value: Any) -> str | None:
        if isinstance(value, int) and value < fewest:
            return _("{value} is too small; at least {limit}", value=value, limit=fewest)
        return key_problem("devices.nodes", value)

    return Question(
        key="devices.nodes",
        text=_("Machines"),
        kind="int",
        default=fewest,
        help=_("The run directory and the dataset must be on a disk that all of them share."),
        check=problem,
    )


def _gpus(offered: list[Partition]) -> Question:
    most = max((partition.gpus for partition in offered), default=0)
    return Question(
        key="devices.gpus_per_node",
        text=_("GPUs of each machine"),
        kind="int",
        default=most,
        help=_("One process for each, DDP. 0: the CPU."),
        check=lambda value: key_problem("devices.gpus_per_node", value),
    )


def _processes(devices: DevicesAnswers) -> Question | None:
    if devices.gpus_per_node:
        return None
    return Question(
        key="devices.processes",
        text=_("Processes on the CPU of each machine"),
        kind="int",
        default=1,
        help=_("With more than one, each takes its own batch (DDP, gloo)."),
        check=lambda value: key_problem("devices.processes", value),
    )


def _endpoint() -> Question:
    return Question(
        key="devices.rdzv_endpoint",
        text=_("Where they meet (HOST:PORT)"),
        kind="text",
        help=_("An address of one of them that the others can reach, and a free port there."),
        check=lambda text: endpoint_problem(text or ""),
        person_only=True,
    )


def _partitions(conversation: Conversation) -> list[Partition]:
    """Return what the cluster offers; nothing where it does not answer, or no job is wanted."""
    if conversation.session.answers.devices.launcher != SLURM or not client.available():
        return []
    try:
        return client.partitions()
    except SlurmError:
        return []


def _slurm_questions(
    devices: DevicesAnswers, offered: list[Partition], *, all_of_them: bool
) -> list[Maker]:
    """Return makers of the questions about a job: partition and time, then the rest if wanted."""
    wants_more = all_of_them

    def chosen() -> Partition | None:
        wanted = devices.slurm_partition
        fitting = (one for one in offered if one.name == wanted or (not wanted and one.is_default))
        return next(fitting, None)

    def more() -> Question | None:
        if all_of_them:
            return None

        def note(value: str) -> str | None:
            nonlocal wants_more
            wants_more = value == "all"
            return None

        return Question(
            key="",
            text=_("The other parameters of the job"),
            kind="one",
            default="none",
            help=_("Account, memory, cores, further options of sbatch."),
            choices=(
                Choice("none", _("as the cluster has them")),
                Choice("all", _("ask for every one")),
            ),
            check=note,
        )

    def if_wanted(question: Question) -> Maker:
        return lambda: question if wants_more else None

    return [
        lambda: _partition_question(offered),
        lambda: Question(
            key="devices.slurm_time",
            text=_("Time limit"),
            kind="text",
            optional=True,
            help=_("hours:minutes:seconds; a training that needs longer queues again by itself."),
            check=lambda text: checks.time_problem(text, chosen()) if text else None,
        ),
        more,
        if_wanted(
            Question(
                key="devices.slurm_account",
                text=_("Account"),
                kind="text",
                optional=True,
                check=lambda text: checks.account_problem(text) if text else None,
            )
        ),
        if_wanted(
            Question(
                key="devices.slurm_memory",
                text=_("Memory of each machine"),
                kind="text",
                optional=True,
                help=_("Such as 64G."),
                check=lambda text: checks.memory_problem(text, chosen()) if text else None,
            )
        ),
        if_wanted(
            Question(
                key="devices.slurm_cpus",
                text=_("Cores of each machine"),
                kind="int",
                optional=True,
                check=lambda value: key_problem("devices.slurm_cpus", value),
            )
        ),
        if_wanted(
            Question(
                key="devices.slurm_directives",
                text=_("Further options of sbatch"),
                kind="words",
                default=[],
                help=_("Separated by blanks, such as --constraint=a100 --qos=long."),
                check=_directives_problem,
            )
        ),
    ]


def _directives_problem(options: list[str]) -> str | None:
    return next((why for text in options if (why := checks.directive_problem(text))), None)


def _partition_question(offered: list[Partition]) -> Question:
    """Return the question for the partition: a menu of those there are, else a text."""
    text, key = _("Partition"), "devices.slurm_partition"
    if not offered:
        return Question(
            key=key,
            text=text,
            kind="text",
            optional=True,
            help=_("Empty: the cluster's default."),
            check=lambda name: checks.partition_problem(name) if name else None,
        )
    default = next((one.name for one in offered if one.is_default), offered[0].name)
    return Question(
        key=key,
        text=text,
        kind="one",
        default=default,
        choices=tuple(
            Choice(one.name, one.name, disabled=None if one.up else _("down"), note=_note(one))
            for one in offered
        ),
        check=lambda name: checks.partition_problem(name) if name else None,
    )


def _note(partition: Partition) -> Callable[[], str]:
    parts = [
        _("{count} machines", count=partition.nodes),
        _("{count} cores", count=partition.cpus),
        f"{partition.memory / 1024:.0f} GB",
        *([f"{partition.gpus} GPU"] if partition.gpus else []),
        _("at most {time}", time=partition.time_limit),
    ]
    return lambda: " · ".join(parts)


def how_to_begin(run_dir: Path) -> list[str]:
    """Return the lines that say how several machines begin a training."""
    quoted = shlex.quote(str(run_dir))
    return [
        _("Give this command on each of the machines, within ten minutes:"),
        f"  srwizard train {quoted} --dry-run-first",
        _("They measure the memory together, and train if it fits."),
        _("See how far it is: srwizard status {run_dir}", run_dir=quoted),
    ]


def devices_text(devices: DevicesAnswers) -> str:
    """Return the other machines as one line."""
    on_each = (
        _("{count} GPUs", count=devices.gpus_per_node)
        if devices.gpus_per_node
        else _("{count} processes on the CPU", count=devices.processes)
    )
    machines = _("{count} machines", count=devices.nodes) if devices.nodes > 1 else ""
    parts = [part for part in (machines, on_each) if part]
    if devices.launcher == NODES:
        return _(
            "{machines}, torchrun, {endpoint}",
            machines=" x ".join(parts),
            endpoint=devices.rdzv_endpoint,
        )
    wanted = [devices.slurm_partition, devices.slurm_time, devices.slurm_memory]
    return ", ".join([_("Slurm job"), " x ".join(parts), *(part for part in wanted if part)])
