"""devices: this machine, its GPUs or processes on its CPU; or other machines."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.console import RenderableType
from rich.text import Text

from srwizard.base.console import Table
from srwizard.base.errors import NeedsPersonError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.base.sizes_and_times import bytes_text
from srwizard.hardware.devices import (
    GPU,
    Devices,
    Fault,
    PartitionedGPU,
    Unusable,
    find_devices,
)
from srwizard.hardware.remarks import gigabytes_text, memory_errors_text, remarks
from srwizard.prompts.question import Back, Choice, Question
from srwizard.wizard import other_machines
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.option_questions import question, questions

CPU = -1
"""The CPU among the choices; the answers have no GPUs then."""
ASKED_APART = ("launcher", "gpus", "processes")
"""Options whose questions depend on the machine, or on each other."""


def run(conversation: Conversation) -> str:
    """Ask where to train, then for the devices there; back leads from these to where."""
    answers = conversation.session.answers
    known = conversation.backwards and answers.has("devices.launcher")
    while True:
        if not known:
            conversation.ask(other_machines.launcher_question(conversation))
        known = False
        try:
            if answers.devices.launcher == other_machines.HERE:
                _ask_here(conversation)
            else:
                other_machines.ask(conversation)
        except Back:
            conversation.backwards = False
            continue
        return "next"


def _ask_here(conversation: Conversation) -> None:
    """Show the devices of this machine and ask which to use, until the chosen ones are there.

    Raises:
        Back: the user went back from the first question.
        UsageError: an answers file wants what is not there, or other machines.
    """
    answers = conversation.session.answers
    problem = other_machines.problem_here(answers.devices)
    if problem is not None:
        if not conversation.prompts.interactive:
            raise UsageError(problem, _("Set devices.launcher to nodes or slurm."))
        for name in other_machines.OF_OTHER_MACHINES:
            answers.forget(f"devices.{name}")
    while True:
        found = find_devices()
        conversation.show(_introduction(conversation, found))
        _ask(conversation, found)
        lost = stale(conversation)
        if lost is None:
            break
        if not conversation.prompts.interactive:
            raise UsageError(
                _("devices.gpus: {problem}", problem=lost), _("List the devices: srwizard gpus")
            )
        conversation.show(Text(lost, style="red"))
    if answers.devices.gpus:
        answers.set("devices.processes", len(answers.devices.gpus))
    conversation.ask_in_turn(
        questions(conversation, "devices", other_machines.ASKED, leave_out=ASKED_APART)
    )


def _introduction(conversation: Conversation, found: Devices) -> RenderableType:
    """Return the devices; where a menu of them follows, only what it cannot say."""
    if not (conversation.prompts.interactive and found.gpus):
        return devices_table(found)
    lines = [f"GPU {gpu.index}: {line}" for gpu in found.gpus for line in remarks(gpu)]
    lines += [partitioned_text(gpu) for gpu in found.partitioned]
    return Text("\n".join([_("Devices"), *(f"  {line}" for line in (*lines, *found.notices))]))


def stale(conversation: Conversation) -> str | None:
    """Say which of the chosen GPUs is gone, or None."""
    chosen = conversation.session.answers.devices.gpus
    if not chosen:
        return None
    found = find_devices()
    return next((why for number in chosen if (why := _why_not(number, found))), None)


def _ask(conversation: Conversation, found: Devices) -> None:
    """Ask for the GPUs and, without any, for the processes on the CPU; back leads between.

    Raises:
        Back: the user went back from the first question.
    """
    answers = conversation.session.answers
    while True:
        before = answers.devices.gpus
        can_go_back_here = _ask_gpus(conversation, found)
        if answers.devices.gpus:
            return
        if before:
            answers.forget("devices.processes")  # there was one for each GPU
        try:
            conversation.ask(question(conversation, "devices.processes"))
            return
        except Back:
            if not can_go_back_here:
                raise


def _ask_gpus(conversation: Conversation, found: Devices) -> bool:
    """Ask for the GPUs, and tell whether there was anything to ask."""
    answers, prompts = conversation.session.answers, conversation.prompts
    if prompts.interactive and not set(answers.devices.gpus) <= set(_numbers(found)):
        answers.forget("devices.gpus")  # they are gone; the table has just said so
    given = answers.has("devices.gpus")
    chosen = answers.devices.gpus
    if not found.gpus and not chosen:
        answers.set("devices.gpus", [])
        return False
    if not prompts.interactive and not given:
        raise NeedsPersonError(
            _("stopped: there are GPUs, and devices.gpus does not say which to use"),
            _(
                "Put them into the answers file, for example {example}; without any: {none}.",
                example="devices: {gpus: [0]}",
                none="devices: {gpus: []}",
            ),
        )
    asked = _gpus_question(conversation, found)
    earlier = (chosen or [CPU]) if given else asked.default
    marked: list[int] = prompts.ask(asked, earlier, given)
    answers.set("devices.gpus", [number for number in marked if number != CPU])
    conversation.session.save()
    for line in gpu_warnings(answers.devices.gpus, found) if prompts.interactive else ():
        conversation.show(Text(line, style="yellow"))
    return True


def _gpus_question(conversation: Conversation, found: Devices) -> Question:
    """Return the question for GPUs, the first idle one being marked, else the CPU."""
    idle = [gpu.index for gpu in found.gpus if not gpu.busy]
    return replace(
        question(conversation, "devices.gpus"),
        kind="several",
        default=idle[:1] or [CPU],
        choices=(*_gpu_choices(found), Choice(CPU, cpu_text(found))),
        check=lambda marked: choice_problem(marked, found),
    )


def _gpu_choices(found: Devices) -> Iterator[Choice]:
    for gpu in found.gpus:
        title = gpu_text(gpu)
        yield Choice(
            gpu.index, _("{gpu}, busy", gpu=title) if gpu.busy else title, number=gpu.index
        )


def gpu_warnings(chosen: Sequence[int], found: Devices) -> Iterator[str]:
    """Warn of chosen GPUs on which somebody else computes, or whose memory has had errors."""
    for gpu in found.gpus:
        if gpu.index in chosen and gpu.memory_errors:
            yield f"GPU {gpu.index}: {memory_errors_text(gpu.memory_errors)}"
        if gpu.index in chosen and gpu.busy:
            yield _(
                "GPU {index} is busy: this training would share its memory and speed with the "
                "programs running there.",
                index=gpu.index,
            )


def choice_problem(marked: Sequence[int], found: Devices) -> str | None:
    """Say why these cannot be the devices, or None where they can."""
    if not marked:
        return _("mark at least one device")
    if CPU in marked:
        return _("the CPU and GPUs cannot be used together") if len(marked) > 1 else None
    for number in marked:
        problem = _why_not(number, found)
        if problem is not None:
            return problem
    if len(set(marked)) < len(marked):
        return _("the same GPU is named twice")
    parts = [gpu.index for gpu in found.gpus if gpu.index in marked and gpu.parent is not None]
    if parts and len(marked) > 1:
        return _("GPU {number} is a part of a GPU and can only be used alone", number=parts[0])
    return None


def _why_not(number: int, found: Devices) -> str | None:
    """Say why this GPU cannot be used, or None where it can."""
    if number in _numbers(found):
        return None
    for whole in found.partitioned:
        if whole.index == number:
            return partitioned_text(whole)
    faults: list[Fault | Unusable] = [*found.faults, *found.unusable]
    for fault in faults:
        if fault.index in (number, None):
            return _("GPU {index} cannot be used: {reason}", index=number, reason=fault.reason)
    if number in found.hidden:
        return _(
            "GPU {index} is hidden by CUDA_VISIBLE_DEVICES={value}",
            index=number,
            value=found.visible,
        )
    return _(
        "there is no GPU {numbers}; there are: {known}",
        numbers=number,
        known=_listed(_numbers(found)) or _("none"),
    )


def gpu_text(gpu: GPU) -> str:
    """Return one GPU as one line: number, name, memory in all and free."""
    return _(
        "GPU {index}: {name} ({total}, {free} free)",
        index=gpu.index,
        name=gpu.short_name,
        total=gigabytes_text(gpu.total_bytes),
        free=gigabytes_text(gpu.free_bytes),
    )


def cpu_text(found: Devices) -> str:
    """Return the CPU as one line: cores, memory available and in all."""
    return _n(
        "CPU: {cores} core, {available} of {total} memory available",
        "CPU: {cores} cores, {available} of {total} memory available",
        found.cpu.cores,
        cores=found.cpu.cores,
        available=bytes_text(found.cpu.available_bytes),
        total=bytes_text(found.cpu.total_bytes),
    )


def devices_table(found: Devices) -> Table:
    """Return the devices as a table, with what is wrong and who is busy on what."""
    table = Table(title=_("Devices"), show_header=False, title_justify="left")
    table.add_column(overflow="fold")
    unusable = [one.gpu for one in found.unusable]
    devices: list[GPU | PartitionedGPU] = [*found.gpus, *unusable, *found.partitioned]
    for device in sorted(devices, key=_place):
        if isinstance(device, PartitionedGPU):
            table.add_row(Text(partitioned_text(device), style="yellow"))
            continue
        table.add_row(Text(gpu_text(device), style="yellow" if device in unusable else ""))
        for line in remarks(device):
            table.add_row(Text(f"  {line}", style="yellow"))
    table.add_row(Text(cpu_text(found)))
    for notice in found.notices:
        table.add_row(Text(notice, style="yellow"))
    return table


def partitioned_text(gpu: PartitionedGPU) -> str:
    """Return one partitioned GPU as one line: that its parts are to be chosen, and which."""
    if gpu.parts:
        return _(
            "GPU {index}: {name} is partitioned (MIG); its parts can be chosen: {parts}",
            index=gpu.index,
            name=gpu.short_name,
            parts=_listed(gpu.parts),
        )
    return _(
        "GPU {index}: {name} is partitioned (MIG) and has no part that can be chosen",
        index=gpu.index,
        name=gpu.short_name,
    )


def _place(device: GPU | PartitionedGPU) -> tuple[int, int]:
    """Put the parts of a GPU below it."""
    return (device.index if device.parent is None else device.parent, device.index)


def _numbers(found: Devices) -> list[int]:
    return [gpu.index for gpu in found.gpus]


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
