"""Super-resolving an input of any length into a NetCDF file, one step at a time."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from srwizard.base.errors import DatasetError, InterruptedByUserError, UsageError
from srwizard.base.i18n import labelled
from srwizard.base.i18n import translate as _
from srwizard.base.version import __version__
from srwizard.data.block_means import expanded
from srwizard.data.coordinates import Grid
from srwizard.data.fields import FloatField
from srwizard.data.prepare.units import same_units
from srwizard.data.quantities import Attributes
from srwizard.runs.advice import conserving
from srwizard.train.sampling import draws_samples
from srwizard.use.alarms import Alarms
from srwizard.use.cf_file import Description, layers_of
from srwizard.use.grids import difference, refined
from srwizard.use.opened_input import Input
from srwizard.use.output import Partial
from srwizard.use.plausible import check_guides, check_values
from srwizard.use.run import Run
from srwizard.use.targets import check_target

NOTE_SECONDS = 1.0
"""How often the complete steps are noted: what is repeated at most after a kill."""
RESERVED = frozenset({"time", "step", "step_name", "member", "lat", "lon", "x", "y"})
"""Names that the coordinates and dimensions of the file have."""

Progress = Callable[[int, int], None]
"""(steps done, steps in all)"""


@dataclass(frozen=True)
class Prediction:
    """What was written.

    Args:
        path: the NetCDF file.
        steps: how many are in it.
        begun_at: how many of them an earlier, interrupted command had written.
        shape: `[H, W]` of the fields.
        members: how many were drawn of each step.
        warnings: what the prediction lacks, and what was conspicuous in the steps of this call.
    """

    path: Path
    steps: int
    begun_at: int
    shape: tuple[int, int]
    members: int
    warnings: tuple[str, ...]


def predict(
    run: Run,
    found: Input,
    target: Path,
    *,
    members: int | None = None,
    overwrite: bool = False,
    command: str = "",
    progress: Progress = lambda _done, _total: None,
) -> Prediction:
    """Super-resolve all steps of an input into `target`, which appears once it is complete.

    What an earlier, interrupted call with the same run, checkpoint and input has left beside
    `target` is gone on with.

    Args:
        run: the run.
        found: the input, from `open_input`.
        target: the NetCDF file to write.
        members: of a diffusion model, how many samples are drawn, and written beside their mean;
            None: as many as its evaluation takes, and they are not written.
        overwrite: replace `target` if it is there, and begin anew if another prediction has left
            its unfinished file.
        command: what is written down in the history of the file.
        progress: told (steps done, steps in all).

    Raises:
        UsageError: the target is in the way or cannot be written.
        DatasetError: the input is on another grid, in other units, cannot be read, or holds values
            that cannot be.
        DoesNotFitError: memory is short.
        InterruptedByUserError: interrupted; the complete steps are kept.
    """
    check_target(target, overwrite=overwrite)
    count = run.member_count(members)
    at_home = run.check_grid(found.grid, found.where)
    if found.guide_grid is not None:
        check_guide_grid(run, found.guide_grid)
    attributes = _merged_attributes(run, found)
    wrong = RESERVED & set(run.variables)
    if wrong:
        raise UsageError(
            _("{path}: the variable {name} would have the name of a coordinate",
              path=target, name=min(wrong)),
            _("Use the Python interface (load_run) for this run."),
        )  # fmt: skip
    description = _description(run, found, attributes, at_home, members, count, command)
    alarms = Alarms.of(run)
    partial = Partial(target, _identity(run, found, members, count, attributes))
    with closing(partial):
        partial.open(description, anew=overwrite)
        begun_at = partial.done
        try:
            _fill(run, found, partial, members, count, at_home, progress, alarms)
        except KeyboardInterrupt:
            raise _interrupted(partial, len(found.names)) from None
        except DatasetError as error:
            raise _refused(partial, len(found.names), error) from error
        partial.finish()
    warnings = (*_plain_facts(run, found.grid, description.grid, count), *alarms.lines())
    return Prediction(target, len(found.names), begun_at, description.grid.shape, count, warnings)


def _plain_facts(run: Run, given: Grid, grid: Grid, count: int) -> list[str]:
    """Say what a prediction lacks, or cannot be better than.

    Args:
        run: the run.
        given: grid of the input.
        grid: of the output.
        count: members of each step.
    """
    tested = (run.metrics()["test"] or {}).get("variables", {})
    config = run.config.model_dump()
    said = [
        labelled(name, line)
        for name, scores in tested.items()
        if (line := conserving(scores, config)) is not None
    ]
    if difference(given, run.hr_grid) is None:
        said.append(
            _("The input is on the grid of HR of the training, not of LR: the output is finer than "
              "anything that the run was trained on. To reach the resolution of the training, give "
              "LR.")
        )  # fmt: skip
    if draws_samples(run.network) and count == 1:
        said.append(
            _("One member is drawn of each step: the fields are single samples, not the mean of an "
              "ensemble, and there is no spread.")
        )  # fmt: skip
    if grid.latitude is None or grid.longitude is None:
        said.append(
            _("The output has no coordinates: neither the input nor the dataset of the run has "
              "longitude and latitude.")
        )  # fmt: skip
    return said


def check_guide_grid(run: Run, grid: Grid) -> None:
    """Refuse guides on another grid than that of HR.

    Raises:
        DatasetError: they are.
    """
    apart = difference(grid, run.hr_grid)
    if apart is not None:
        raise DatasetError(
            _("the guides {names} are on a different grid from HR of the training: {what} "
              "{found}, expected {expected}",
              names=", ".join(run.guides), what=apart.what, found=apart.found,
              expected=apart.expected),
            _("Bring them onto the high-resolution grid of the training first."),
        )  # fmt: skip


def check_units(run: Run, found: Input) -> None:
    """Refuse an input whose variables or guides are in other units than in the training.

    Raises:
        DatasetError: one is, where both are known.
    """
    given = [(name, found.attributes, found.where) for name in run.variables]
    given += [(name, found.guide_attributes, found.guides_where) for name in run.guides]
    for name, known, where in given:
        theirs = known.get(name, {}).get("units")
        ours = run.preprocessing.facts.attributes.get(name, {}).get("units")
        if theirs is not None and ours is not None and not same_units(theirs, ours):
            raise DatasetError(
                _("{name} is in {found} in {where}, but the run was trained on {expected}",
                  name=name, found=theirs, where=where, expected=ours),
                _("Convert it first, e.g. with cdo; if the two mean the same, write one as the "
                  "other: ncatted -a units,{name},o,c,{expected}", name=name, expected=ours),
            )  # fmt: skip


def _fill(
    run: Run,
    found: Input,
    partial: Partial,
    members: int | None,
    count: int,
    at_home: bool,
    progress: Progress,
    alarms: Alarms,
) -> None:
    """Compute and write the steps that are not there yet."""
    total, periodic = len(found.names), run.goes_round(found.grid, at_home=at_home)
    progress(partial.done, total)
    noted = time.monotonic()
    with ExitStack() as stack:
        fields = stack.enter_context(closing(found.fields(partial.done)))
        beside: Iterator[FloatField | None] = repeat(None)
        if found.guides is not None:
            beside = stack.enter_context(closing(found.guides(partial.done)))
        # LR comes to its end first: of guides without one no further step is asked for.
        for step, (lr, guides) in enumerate(zip(fields, beside, strict=False), partial.done):
            name = found.names[step]
            alarms.note_outside(name, _checked(run, lr, found.where, name))
            alarms.note_empty(name, run.variables, lr)
            if guides is not None:
                check_guides(run.guide_scales, run.water, guides, found.guides_where, name)
            every = run.members_of_step(
                lr, step, count, at_home=at_home, periodic=periodic, guides=guides
            )
            mean = every.mean(axis=0)
            alarms.note_means(run, name, lr, mean, at_home)
            for layer, values in _layers(run, every, mean, members):
                partial.write(layer, step, values)
            if at_home:
                filled = np.isfinite(mean) & (expanded(~np.isfinite(lr), run.scale) > 0)
                for variable, flags in zip(run.variables, filled, strict=True):
                    partial.write(f"{variable}_filled", step, flags)
            partial.done = step + 1
            progress(partial.done, total)
            if time.monotonic() - noted > NOTE_SECONDS:
                partial.note()
                noted = time.monotonic()


def _checked(run: Run, lr: FloatField, where: str, step: str) -> list[str]:
    return check_values(run.variables, run.preprocessing.statistics["hr"], lr, where, step)


def _layers(
    run: Run, every: FloatField, mean: FloatField, members: int | None
) -> Iterable[tuple[str, FloatField]]:
    """Yield the variables of the file at one step: mean, spread, members."""
    spread = _spread(every)
    for channel, name in enumerate(run.variables):
        yield name, mean[channel]
        if len(every) > 1:
            yield f"{name}_spread", spread[channel]
        if members is not None:
            yield f"{name}_members", every[:, channel]


def _spread(every: FloatField) -> npt.NDArray[Any]:
    """Return the standard deviation of the members `[M, C, H, W]` about their mean."""
    return every.std(axis=0, ddof=1) if len(every) > 1 else np.zeros_like(every[0])


def _refused(partial: Partial, total: int, error: DatasetError) -> DatasetError:
    """Return the error with what is kept of the steps before; nothing is, if there are none."""
    if not partial.done:
        partial.discard()
        return error
    partial.note()
    kept = _(
        "What is complete is kept in {path} ({done} of {total} steps): the same command continues.",
        path=partial.path,
        done=partial.done,
        total=total,
    )
    return DatasetError(error.message, "\n".join(part for part in (error.hint, kept) if part))


def _interrupted(partial: Partial, total: int) -> InterruptedByUserError:
    partial.note()
    return InterruptedByUserError(
        _("interrupted; {done} of {total} steps are kept in {path}",
          done=partial.done, total=total, path=partial.path),
        _("Run the same command again to continue."),
    )  # fmt: skip


def _merged_attributes(run: Run, found: Input) -> dict[str, Attributes]:
    """Return what is known of the variables, of the training or else of the input."""
    check_units(run, found)
    return {
        name: {**found.attributes.get(name, {}), **run.preprocessing.facts.attributes.get(name, {})}
        for name in run.variables
    }


def _description(
    run: Run,
    found: Input,
    attributes: Mapping[str, Attributes],
    at_home: bool,
    members: int | None,
    count: int,
    command: str,
) -> Description:
    config, checkpoint = run.config, run.checkpoint
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    written = count if members is not None else None
    return Description(
        layers=[
            layer
            for name in run.variables
            for layer in layers_of(
                name, attributes[name], ensemble=count > 1, members=written, flagged=at_home
            )
        ],
        grid=_hr_grid(run, found.grid, at_home),
        names=found.names,
        moments=found.moments,
        calendar=found.calendar,
        attributes={
            "title": f"Super-resolution of {', '.join(run.variables)}, {run.scale}x",
            "source": f"{config.model.name}, trained and applied with srwizard {__version__}",
            "history": f"{now}: {command or 'srwizard'}",
            "comment": "Missing where the high-resolution training fields are land."
            if at_home
            else "Missing where the low-resolution input is.",
            "srwizard_run": str(run.directory),
            "srwizard_run_digest": config.digest,
            "srwizard_checkpoint": f"{checkpoint.name}.pt, epoch {checkpoint.epoch}",
            "srwizard_checkpoint_sha256": checkpoint.digest,
            "srwizard_input": found.where,
        },
    )


def _hr_grid(run: Run, lr: Grid, at_home: bool) -> Grid:
    """Return the grid of the output: that of the training, else between the points of the input."""
    computed = refined(lr, run.scale)
    if not at_home:
        return computed
    known = run.hr_grid
    return Grid(
        known.shape,
        known.latitude if known.latitude is not None else computed.latitude,
        known.longitude if known.longitude is not None else computed.longitude,
    )


def _identity(
    run: Run,
    found: Input,
    members: int | None,
    count: int,
    attributes: Mapping[str, Attributes],
) -> dict[str, Any]:
    """Return what must be the same for an interrupted prediction to be gone on with."""
    return {
        "srwizard": __version__,
        "run": run.config.digest,
        "checkpoint": run.checkpoint.digest,
        "input": list(found.origin),
        **({"guides": list(found.guides_origin)} if found.guides is not None else {}),
        "steps": [len(found.names), found.names[0], found.names[-1]],
        "grid": list(found.grid.shape),
        "members": [count, members is not None],
        "amp": run.amp,
        "attributes": {name: dict(known) for name, known in attributes.items()},
    }
