"""Raw files in the place of a dataset directory: which they are, what is in them, what is made."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.base.typed_paths import expand
from srwizard.data.split_names import split_words
from srwizard.prompts.progress import Progress
from srwizard.prompts.question import Prompts
from srwizard.settings.answers import Answers, Preparation

# NumPy and xarray would keep the very first question waiting.
if TYPE_CHECKING:
    from srwizard.data.prepare import Request
    from srwizard.data.prepare.look import Contents, SourceVariable
    from srwizard.wizard.conversation import Conversation

USUAL_SCALES = (4, 3, 2)
USUAL_LR_CELLS = 16
"""The largest usual scale is proposed that leaves so many."""


def raw_files_of(answers: Answers) -> list[str]:
    """Return the raw files that were named, as they were named; none for a dataset directory."""
    return [] if answers.data.prepare is None else answers.data.prepare.sources


def is_prepared(answers: Answers) -> bool:
    """Return whether the dataset that was answered is the one made of the raw files."""
    given = answers.data.prepare
    if given is None or given.output is None or answers.data.root is None:
        return False
    return expand(given.output) == expand(answers.data.root)


def contents_of(conversation: "Conversation") -> "Contents":
    """Return what is in the raw files that were named; they are looked into once.

    Raises:
        UsageError: one of them is not there or cannot be read.
        DatasetError: none holds a field on a grid.
    """
    from srwizard.data.prepare.look import look
    from srwizard.data.raw_files import find_sources

    paths = tuple(find_sources(raw_files_of(conversation.session.answers)))
    known = conversation.raw_files
    if known is None or known.paths != paths:
        with conversation.prompts.progress(_("Inspecting the files …")) as progress:
            known = conversation.raw_files = look(paths, progress)
    return known


def request_of(given: Preparation, contents: "Contents") -> "Request":
    """Return what `prepare` is to make, once all questions are answered.

    Raises:
        UsageError: a region, a range of times or another text cannot be read.
    """
    from srwizard.data import prepare as preparing
    from srwizard.data.raw_files import find_sources

    variables = given.variables or []
    names = given.names or preparing.usual_names(variables)
    return preparing.Request(
        sources=contents.paths,
        variables=preparing.named(variables, names),
        scale=given.scale or 2,
        split=preparing.parse_split(given.split),
        area_weights=given.area_weights,
        lr_method=given.lr_method,
        selection=preparing.Selection(
            None if given.lon is None else preparing.parse_longitudes(given.lon),
            None if given.lat is None else preparing.parse_latitudes(given.lat),
            None if given.time is None else preparing.parse_times(given.time),
        ),
        depths=tuple(given.depth or ()),
        units=preparing.parse_units(tuple(given.units)),
        statics=tuple(preparing.parse_static(text) for text in given.static),
        gap=given.gap,
        lr_source=preparing.LrSource(
            tuple(find_sources(given.lr_source)),
            tuple(given.lr_variables),
            given.lr_regrid,
            given.lr_tolerance,
        )
        if given.lr_source
        else None,
        masking=preparing.masking_of(given.missing_value, given.mask_variable, given.mask_value),
        empty_steps=given.empty_steps,
    )


def suspected(contents: "Contents", variables: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Return the values of each of some variables that look as if they stood for none."""
    found = {name: contents.named(name) for name in variables}
    return {name: one.undeclared for name, one in found.items() if one and one.undeclared}


def make(request: "Request", out: Path, jobs: int, prompts: Prompts) -> Sequence[str]:
    """Make the dataset, with a bar for each stage, unless it is there already; return the notes.

    Raises:
        UsageError, DatasetError: as `srwizard.data.prepare.prepare`.
    """
    from srwizard.data import prepare as preparing

    if preparing.is_made_of(out, request):
        return [_("{path} was made from the same files in the same way and is used as it is.",
                  path=out)]  # fmt: skip
    with ExitStack() as bars:
        stage_shown = ""
        bar: Progress | None = None

        def progress(stage: str, done: int, total: int) -> None:
            nonlocal stage_shown, bar
            if stage != stage_shown or bar is None:
                bars.close()
                bar = bars.enter_context(prompts.progress(stage_text(stage)))
                stage_shown = stage
            bar(done, total)
            if done == total:
                # The thread of a bar would keep `prepare` from forking its other processes.
                bars.close()
                bar = None

        manifest = preparing.prepare(**vars(request), out=out, jobs=jobs, progress=progress)
    return manifest.notes


def stage_text(stage: str) -> str:
    """Return what a stage of `prepare` does."""
    return (
        _("opening files")
        if stage == "open"
        else _("writing the {split}", split=split_words(stage))
    )


def variables_problem(contents: "Contents", names: Sequence[str]) -> str | None:
    """Say why a dataset cannot be made of these variables, or None where it can."""
    if not names:
        return _("choose at least one variable")
    chosen: list[SourceVariable] = []
    for name in names:
        found = contents.named(name)
        if found is None:
            reason = next((one.problem for one in contents.variables if one.name == name), "")
            return reason or _(
                "there is no variable {name}; there are: {names}",
                name=name,
                names=listed(one.name for one in contents.usable),
            )
        chosen.append(found)
    for other in chosen[1:]:
        if any(
            getattr(other, what) != getattr(chosen[0], what)
            for what in ("shape", "steps", "first", "last")
        ):
            return _(
                "{first} and {other} do not have the same grid and times",
                first=chosen[0].name,
                other=other.name,
            )
    covered = {place for one in chosen for place in one.sources}
    without = [path for place, path in enumerate(contents.opened) if place not in covered]
    if without:
        return _("{path} has no variable {names}", path=without[0], names=" / ".join(names))
    return None


def usual_variables(contents: "Contents") -> list[str]:
    """Return the likeliest variable; where no file has it but others, those that fill the gap."""
    usable = contents.usable
    chosen = [usable[0].name]
    if variables_problem(contents, chosen) is not None:
        every = [one.name for one in usable if not one.is_mask]
        chosen = every if variables_problem(contents, every) is None else chosen
    return chosen


def scale_problem(shape: tuple[int, int], scale: int) -> str | None:
    """Say why a grid cannot be made coarser by `scale`, or None where it can."""
    from srwizard.data.prepare import LEAST_LR_CELLS

    rows, columns = (side // scale for side in shape)
    if min(rows, columns) >= LEAST_LR_CELLS:
        return None
    return _(
        "a scale of {scale} leaves LR fields of {rows} x {columns} cells; at least {least} x "
        "{least} are needed, a scale of at most {most} here",
        scale=scale,
        rows=rows,
        columns=columns,
        least=LEAST_LR_CELLS,
        most=min(shape) // LEAST_LR_CELLS,
    )


def usual_scale(shape: tuple[int, int]) -> int:
    """Return the scale to propose for a grid."""
    fitting = (scale for scale in USUAL_SCALES if min(shape) // scale >= USUAL_LR_CELLS)
    return next(fitting, USUAL_SCALES[-1])


def usual_output(contents: "Contents", scale: int) -> str:
    """Return the directory to propose: named by the first file, in the working directory."""
    first = contents.paths[0]
    stem = first.stem if len(contents.paths) == 1 else first.parent.name or first.stem
    return f"{stem}-x{scale}"
