"""devices: which GPUs, or how many processes on the CPU."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from srwizard.answers import key_problem
from srwizard.conversation import Conversation
from srwizard.devices import GPU, Devices, find_devices
from srwizard.errors import NeedsPersonError
from srwizard.i18n import translate as _
from srwizard.prompts import Choice, Question
from srwizard.units import bytes_text

CPU = -1


def run(conversation: Conversation) -> str:
    """Show the devices and ask which to use."""
    found = find_devices()
    conversation.show(devices_table(found))
    answers = conversation.session.answers
    if found.gpus and not answers.has("devices.gpus") and not conversation.prompts.interactive:
        raise NeedsPersonError(
            _("stopped: there are GPUs, and devices.gpus does not say which to use"),
            _(
                "Put {example} into the answers file, or [] for the CPU.",
                example="devices: {gpus: [0]}",
            ),
        )
    conversation.ask_in_turn(
        [
            lambda: _gpus_question(conversation, found),
            lambda: None if answers.devices.gpus else _processes_question(found),
        ]
    )
    if answers.devices.gpus:
        answers.set("devices.processes", len(answers.devices.gpus))
    return "next"


def stale(conversation: Conversation) -> str | None:
    """Say which of the chosen GPUs is gone, or None."""
    there = {gpu.index for gpu in find_devices().gpus}
    gone = [number for number in conversation.session.answers.devices.gpus if number not in there]
    if gone:
        return _("GPU {numbers} is no longer there", numbers=", ".join(map(str, gone)))
    return None


def _gpus_question(conversation: Conversation, found: Devices) -> Question | None:
    numbers = [gpu.index for gpu in found.gpus]

    def check(chosen: list[int]) -> str | None:
        unknown = [number for number in chosen if number not in numbers]
        if unknown:
            return _(
                "there is no GPU {numbers}; there are {known}",
                numbers=", ".join(map(str, unknown)),
                known=", ".join(map(str, numbers)) or _("none"),
            )
        if len(set(chosen)) < len(chosen):
            return _("the same GPU is named twice")
        return None

    if not numbers and not conversation.session.answers.devices.gpus:
        conversation.session.answers.set("devices.gpus", [])
        return None
    idle = [gpu.index for gpu in found.gpus if not gpu.busy]
    return Question(
        key="devices.gpus",
        text=_("GPUs (none marked: CPU)"),
        kind="several",
        default=idle[:1],
        help=_("With several GPUs each takes its own batch (DDP)."),
        choices=tuple(Choice(gpu.index, gpu_text(gpu)) for gpu in found.gpus),
        check=check,
    )


def _processes_question(found: Devices) -> Question:
    return Question(
        key="devices.processes",
        text=_("Processes on the CPU"),
        kind="int",
        default=1,
        help=_(
            "One process uses all {cores} cores; with more, each takes its own batch (DDP, gloo).",
            cores=found.cpu.cores,
        ),
        check=lambda value: key_problem("devices.processes", value),
    )


def gpu_text(gpu: GPU) -> str:
    """Return one GPU as one line: number, name, memory in all and free."""
    return _(
        "GPU {index}: {name} ({total}, {free} free)",
        index=gpu.index,
        name=gpu.name,
        total=bytes_text(gpu.total_bytes),
        free=bytes_text(gpu.free_bytes),
    )


def devices_table(found: Devices) -> Table:
    """Return the devices as a table, with what is wrong and who is busy on what."""
    table = Table(title=_("Devices"), show_header=False, title_justify="left")
    table.add_column(overflow="fold")
    for gpu in found.gpus:
        table.add_row(Text(gpu_text(gpu)))
        for line in _occupants(gpu):
            table.add_row(Text(f"  {line}", style="yellow"))
    table.add_row(
        Text(
            _(
                "CPU: {cores} cores, {available} of {total} memory available",
                cores=found.cpu.cores,
                available=bytes_text(found.cpu.available_bytes),
                total=bytes_text(found.cpu.total_bytes),
            )
        )
    )
    for notice in found.notices:
        table.add_row(Text(notice, style="yellow"))
    return table


def _occupants(gpu: GPU) -> Iterator[str]:
    for process in gpu.processes:
        yield _(
            "busy: {user} (process {pid}) holds {memory}",
            user=process.user,
            pid=process.pid,
            memory=bytes_text(process.memory_bytes),
        )
    if gpu.busy and not gpu.processes:
        yield _("busy: utilization {percent} %", percent=gpu.utilisation)
