"""The questions about training on other machines: several by torchrun, or a Slurm job."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from srwizard.base.errors import UsageError
from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.base.visible import in_shell
from srwizard.prompts.question import Choice, Question
from srwizard.settings.answers import DevicesAnswers
from srwizard.settings.devices import BY_SLURM, BY_TORCHRUN, ELSEWHERE
from srwizard.settings.option import Asked
from srwizard.settings.options import options
from srwizard.slurm import checks, client
from srwizard.slurm.client import Partition, SlurmError
from srwizard.train.nodes import endpoint_problem
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.option_questions import Adapt, question, questions, titles

HERE, NODES, SLURM = "here", "nodes", "slurm"
ASKED: tuple[Asked, ...] = ("always", "common", "on_request")
OF_OTHER_MACHINES = tuple(
    declared.name
    for declared in options("devices")
    if declared.option.when in (ELSEWHERE, BY_TORCHRUN, BY_SLURM)
)


def launcher_question(conversation: Conversation) -> Question:
    """Return the question where training runs; Slurm is offered where there is one."""
    declared = question(conversation, "devices.launcher")
    if client.available() or conversation.session.answers.devices.launcher == SLURM:
        return declared
    choices = tuple(choice for choice in declared.choices if choice.value != SLURM)
    return replace(declared, choices=choices)


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
        UsageError: an answers file numbers GPUs of this machine.
    """
    answers = conversation.session.answers
    if answers.devices.gpus and not conversation.prompts.interactive:
        raise UsageError(
            _("devices.gpus numbers the GPUs of this machine, but devices.launcher is {launcher}",
              launcher=answers.devices.launcher),
            _("Say how many GPUs of each machine to use: devices.gpus_per_node."),
        )  # fmt: skip
    answers.set("devices.gpus", [])
    # An answers file is never asked in short: every value in it must be checked.
    wants_more = not conversation.prompts.interactive

    def ask_whether() -> Question | None:
        slurm = answers.devices.launcher == SLURM
        return _more_question(note) if slurm and conversation.prompts.interactive else None

    def note(value: bool) -> None:
        nonlocal wants_more
        wants_more = value

    adapt = _adapted(conversation)
    apart = ("launcher", "gpus")
    conversation.ask_in_turn(
        [
            *questions(conversation, "devices", ["always", "common"], adapt=adapt, leave_out=apart),
            ask_whether,
            *questions(
                conversation, "devices", ["on_request"], adapt=adapt, wanted=lambda: wants_more
            ),
        ]
    )
    if answers.devices.gpus_per_node:
        answers.set("devices.processes", answers.devices.gpus_per_node)


def _adapted(conversation: Conversation) -> dict[str, Adapt]:
    """Return what the cluster, and the other answers, change of the questions."""
    devices = conversation.session.answers.devices
    offered = _partitions(conversation)

    def chosen() -> Partition | None:
        wanted = devices.slurm_partition
        fitting = (one for one in offered if one.name == wanted or (not wanted and one.is_default))
        return next(fitting, None)

    def gpus_there() -> int:
        """Return how many GPUs a machine of the partition has; of any while none is chosen."""
        settled = devices.slurm_partition or not conversation.prompts.interactive
        among = [chosen()] if settled else offered
        return max((one.gpus for one in among if one is not None), default=0)

    def checked(check: Callable[[Any], str | None]) -> Adapt:
        return lambda asked: replace(asked, check=lambda value: check(value) if value else None)

    return {
        "nodes": lambda asked: _at_least(asked, 2 if devices.launcher == NODES else 1),
        "gpus_per_node": lambda asked: replace(asked, default=gpus_there()),
        "processes": lambda asked: (
            None
            if devices.gpus_per_node
            else replace(asked, text=_("Processes on the CPU of each machine"))
        ),
        "rdzv_endpoint": lambda asked: replace(
            asked, person_only=True, check=lambda text: endpoint_problem(text or "")
        ),
        "slurm_partition": lambda asked: _partition_question(asked, offered, devices.gpus_per_node),
        "slurm_time": checked(lambda text: checks.time_problem(text, chosen())),
        "slurm_account": checked(checks.account_problem),
        "slurm_memory": checked(lambda text: checks.memory_problem(text, chosen())),
        "slurm_directives": checked(_directives_problem),
    }


def _at_least(asked: Question, fewest: int) -> Question:
    """Ask for at least so many."""

    def problem(value: Any) -> str | None:
        if isinstance(value, int) and value < fewest:
            return _("{value} is too small; at least {limit}", value=value, limit=fewest)
        return asked.check(value)

    return replace(asked, default=fewest, check=problem)


def _partitions(conversation: Conversation) -> list[Partition]:
    """Return what the cluster offers; nothing where it does not answer, or no job is wanted."""
    if conversation.session.answers.devices.launcher != SLURM or not client.available():
        return []
    try:
        return client.partitions()
    except SlurmError:
        return []


def _more_question(note: Callable[[bool], None]) -> Question:
    return Question(
        key="",
        text=_("The other parameters of the job"),
        kind="one",
        default=False,
        help=titles("devices", "on_request"),
        choices=(
            Choice(False, _("as the cluster has them")),
            Choice(True, _("ask for every one")),
        ),
        check=note,
    )


def _directives_problem(options: list[str]) -> str | None:
    return next((why for text in options if (why := checks.directive_problem(text))), None)


def _partition_question(asked: Question, offered: list[Partition], gpus: int) -> Question:
    """Return the question for the partition: a menu of those there are, else a text.

    Offered is the cluster's own default if its machines have so many GPUs, else one whose have.
    """

    def check(name: str | None) -> str | None:
        return checks.partition_problem(name) if name else None

    if not offered:
        return replace(asked, check=check)
    fitting = [one for one in offered if one.gpus >= gpus] or offered
    default = next((one.name for one in fitting if one.is_default), fitting[0].name)
    return replace(
        asked,
        kind="one",
        default=default,
        choices=tuple(
            Choice(one.name, one.name, disabled=None if one.up else _("down"), note=_note(one))
            for one in offered
        ),
        check=check,
    )


def _note(partition: Partition) -> Callable[[], str]:
    parts = [
        _n("{count} machine", "{count} machines", partition.nodes, count=partition.nodes),
        _n("{count} core", "{count} cores", partition.cpus, count=partition.cpus),
        f"{partition.memory / 1024:.0f} GB",
        *([f"{partition.gpus} GPU"] if partition.gpus else []),
        _("at most {time}", time=partition.time_limit),
    ]
    return lambda: " · ".join(parts)


def how_to_begin(run_dir: Path) -> list[str]:
    """Return the lines that say how several machines begin a training."""
    quoted = in_shell(run_dir)
    return [
        _("Run this command on each machine, within ten minutes:"),
        "  " + _("srwizard train {run_dir} --dry-run-first", run_dir=quoted),
        _("They measure the memory together, and train if it fits."),
        _("See how far it is: srwizard status {run_dir}", run_dir=quoted),
    ]


def devices_text(devices: DevicesAnswers) -> str:
    """Return the other machines as one line."""
    on_each = (
        _n("{count} GPU", "{count} GPUs", devices.gpus_per_node, count=devices.gpus_per_node)
        if devices.gpus_per_node
        else _n(
            "{count} process on the CPU",
            "{count} processes on the CPU",
            devices.processes,
            count=devices.processes,
        )
    )
    machines = (
        _n("{count} machine", "{count} machines", devices.nodes, count=devices.nodes)
        if devices.nodes > 1
        else ""
    )
    parts = [part for part in (machines, on_each) if part]
    if devices.launcher == NODES:
        return _(
            "{machines}, torchrun, {endpoint}",
            machines=" x ".join(parts),
            endpoint=devices.rdzv_endpoint,
        )
    wanted = [devices.slurm_partition, devices.slurm_time, devices.slurm_memory]
    return listed([_("Slurm job"), " x ".join(parts), *(part for part in wanted if part)])
