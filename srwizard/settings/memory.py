"""The options that lower the peak of memory, and what happens where it is too high."""

from typing import Annotated

from pydantic import Field

from srwizard.base.choices import Value
from srwizard.base.i18n import N_
from srwizard.settings.option import Condition, Option, Section

WHEN_TIGHT = (
    Value("ask", N_("you decide")),
    Value("stop", N_("nothing is launched")),
    Value("accept", N_("launch if it is tight, stop if it does not fit")),
    Value("apply", N_("take the suggested changes until it fits")),
)
WHEN_ROOMY = (
    Value("keep", N_("train as answered")),
    Value("faster", N_("apply what saves time and leaves the result unchanged")),
)
SEVERAL_PROCESSES = Condition(
    N_("Only with several processes."), lambda at: at.answers.get("devices.world_size") > 1
)


class FrozenMemory(Section):
    """What the run config takes over as it is answered."""

    use_amp: Annotated[
        bool,
        Option(
            N_("Mixed precision"),
            N_("Computes in bfloat16 where that is safe: about half the memory, and faster."),
            varies=True,
            reviewed=True,
        ),
    ] = True
    gradient_checkpointing: Annotated[
        bool,
        Option(
            N_("Activation checkpointing"),
            N_("Recomputes each block in the backward pass: less memory, about a third slower."),
            reviewed=True,
        ),
    ] = True
    patch_size: Annotated[
        int | None,
        Field(ge=2),
        Option(
            N_("Patch size"),
            N_(
                "Trains on random HR windows of this size, a multiple of the scale; validation "
                "scores whole fields."
            ),
            none=N_("whole fields"),
            reviewed=True,
            example=128,
        ),
    ] = None
    shard: Annotated[
        bool,
        Option(
            N_("Sharded weights"),
            N_(
                "Each process keeps its part of weights, gradients and optimizer state (FSDP): for "
                "networks larger than the memory of one GPU. The result is the same; there is more "
                "traffic."
            ),
            when=SEVERAL_PROCESSES,
            reviewed=True,
        ),
    ] = False


class MemoryAnswers(FrozenMemory):
    when_tight: Annotated[
        str,
        Option(
            N_("When memory is short"),
            N_("What happens if the dry run finds that memory is tight or insufficient."),
            asked="never",
            choices=WHEN_TIGHT,
        ),
    ] = "ask"
    when_roomy: Annotated[
        str,
        Option(
            N_("When memory is left over"),
            N_("What happens if the dry run finds that much memory is left over."),
            asked="never",
            choices=WHEN_ROOMY,
        ),
    ] = "keep"
