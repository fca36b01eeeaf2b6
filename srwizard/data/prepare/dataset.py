"""Make a dataset directory of low/high-resolution pairs from NetCDF files and Zarr stores.

The high-resolution fields are the sources, cut to the region and cropped to a multiple of the
scale; the low-resolution fields are made of them, as block means unless another method is asked
for. A few windows of steps are in memory at a time, whatever the length of the record.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from srwizard.base.files import write_json
from srwizard.base.typed_paths import real_path
from srwizard.base.version import __version__
from srwizard.base.whole_directory import whole_directory
from srwizard.data.coordinates import cell_weights, divisible_shape
from srwizard.data.layout import Layout
from srwizard.data.prepare.arguments import (
    check_arguments,
    check_counts,
    check_lr_source,
    check_method,
)
from srwizard.data.prepare.conversions import conversions_asked, converted, lr_conversion
from srwizard.data.prepare.grid_order import check_order
from srwizard.data.prepare.leakage import leakage_notes
from srwizard.data.prepare.lr_product import (
    AgreementTally,
    LrProduct,
    LrSource,
    Matched,
    match,
    notes_on_product,
)
from srwizard.data.prepare.manifest import (
    Crop,
    FieldTally,
    Manifest,
    PreparedVariable,
    Region,
)
from srwizard.data.prepare.masking import Masking
from srwizard.data.prepare.names import check_names
from srwizard.data.prepare.notes import conservation_notes, dropped_note, notes_on, small_notes
from srwizard.data.prepare.pair_pool import pair_makers
from srwizard.data.prepare.pair_writer import EmptySteps, PairWriter, Progress, npy_files
from srwizard.data.prepare.pairs import Recipe, as_tasks
from srwizard.data.prepare.record import Survey, check_depths_used, survey_sources
from srwizard.data.prepare.regrid import regrid
from srwizard.data.prepare.request import Request
from srwizard.data.prepare.selection import Selection, window_of
from srwizard.data.prepare.source import windows
from srwizard.data.prepare.splits import (
    Split,
    divide,
    named,
    prepared_splits,
    step_name,
)
from srwizard.data.prepare.static_fields import (
    StaticSource,
    notes_on_statics,
    static_fields,
)
from srwizard.data.prepare.target import MANIFEST_NAME, check_target
from srwizard.data.prepare.write import (
    Content,
    write_statics,
)
from srwizard.data.weighting import BY_AREA


def prepare(
    sources: Sequence[Path],
    *,
    variables: Mapping[str, str],
    scale: int,
    split: Split,
    out: Path,
    fmt: Layout = "npy",
    area_weights: bool = False,
    lr_method: str = "mean",
    selection: Selection | None = None,
    depths: Sequence[float] = (),
    units: Mapping[str, str] | None = None,
    statics: Sequence[StaticSource] = (),
    gap: int = 0,
    lr_source: LrSource | None = None,
    jobs: int = 1,
    overwrite: bool = False,
    masking: Masking | None = None,
    empty_steps: EmptySteps = "drop",
    progress: Progress | None = None,
) -> Manifest:
    """Make the dataset directory `out`; it appears whole or not at all.

    Args:
        sources: NetCDF files and Zarr stores, in any order; steps are ordered by their time.
        variables: variable in the sources -> its name in the dataset.
        scale: HR cells of an LR cell along each direction, 2 or more.
        split: shares of train, valid and test, in the order of time.
        out: the dataset directory to make.
        fmt: `npy` (one file per step), `h5` or `nc` (one file per split).
        area_weights: weigh HR cells by the cosine of their latitude.
        lr_method: how LR is made of HR, a name of `lr_methods.METHODS`.
        selection: the region and the steps to take; None: all.
        depths: levels to take, the nearest to each; with several, `temp` becomes `temp_0m`, ...
        units: variable in the dataset -> the units its values are converted to.
        statics: further static fields.
        gap: steps that are left out between two splits.
        lr_source: take LR from this product, matched by time, instead of making it of HR.
        jobs: processes that read; the dataset does not depend on their number.
        overwrite: replace a dataset that is there, once the new one is complete.
        masking: what is missing besides what the sources declare; None: nothing.
        empty_steps: drop or keep steps in which a variable has no value at all.
        progress: told (stage, done, total); see `Progress`.

    Returns:
        What was done, as in `out`/manifest.json.

    Raises:
        UsageError: an argument, a source or the directory cannot be used.
        DatasetError: the sources do not make a dataset: grids, times or units do not go together,
            a variable has another dimension, there are too few steps or no values.
    """
    sources = [Path(source) for source in sources]
    chosen = selection or Selection()
    check_arguments(sources, variables, scale, split, fmt)
    check_method(lr_method, area_weights)
    check_counts(gap, jobs)
    check_lr_source(lr_source, variables, lr_method)
    lr_paths = () if lr_source is None else lr_source.paths
    mask = None if masking is None or masking.variable is None else masking.variable.path
    every_source = [*sources, *lr_paths, *(static.path for static in statics)]
    every_source += [] if mask is None else [mask]
    check = partial(check_target, overwrite=overwrite, sources=every_source)
    check(out)
    report = progress or _report_nothing
    # Before anything is read: what changes meanwhile is told from what was read.
    request = Request(
        sources=tuple(sources), variables=dict(variables), scale=scale, split=split, fmt=fmt,
        area_weights=area_weights, lr_method=lr_method, selection=chosen, depths=tuple(depths),
        units=dict(units or {}), statics=tuple(statics), gap=gap,
        lr_source=lr_source, masking=masking, empty_steps=empty_steps,
    ).to_json()  # fmt: skip
    survey = survey_sources(
        sources,
        list(variables),
        lambda done, total: report("open", done, total),
        depths=depths,
        time=chosen.time,
        masking=masking,
    )
    check_depths_used(depths, survey.records)
    matched = None
    if lr_source is not None:
        matched = _matched(lr_source, survey, variables, depths, masking, report)
        survey = matched.hr
    names = {
        key: variables[record.variable] + record.suffix for key, record in survey.records.items()
    }
    check_names(names)
    conversions = conversions_asked(survey, names, units or {})
    parts = divide(len(survey.steps), split, gap, climatology=survey.climatology)
    region, notes = window_of(survey.grid, chosen)
    window = region.cropped(divisible_shape(region.shape, scale))
    hr_grid = survey.grid.windowed(window)
    check_order(hr_grid)
    lr_grid = hr_grid.coarsened(scale)
    recipe = Recipe(
        window,
        scale,
        cell_weights(hr_grid) if area_weights else None,
        lr_method,
        None if matched is None else regrid(matched.grid, lr_grid, matched.product.regridding),
    )
    content = Content(
        grids={"hr": hr_grid, "lr": lr_grid},
        attributes={
            name: converted(survey.records[key].attributes, conversions.get(name))
            for key, name in names.items()
        },
        calendar=survey.calendar,
    )
    missing = () if masking is None else masking.missing
    fields = static_fields(statics, survey.grid, recipe, missing)
    with (
        pair_makers(recipe, jobs) as made_pairs,
        whole_directory(out, check) as stage,
    ):
        write_statics(stage, content.grids, fields)
        tallies = {name: FieldTally(name, hr_grid.shape) for name in names.values()}
        agreements = {name: AgreementTally() for name in (names.values() if matched else ())}
        writer = PairWriter(stage, fmt, content, tallies, agreements, empty_steps)
        kept: dict[str, list[int]] = {}
        steps = {split_name: named(split_name, part, survey) for split_name, part in parts.items()}
        tasks = (
            task
            for split_name, part in parts.items()
            for key, name in names.items()
            for task in as_tasks(
                windows(survey.records[key].steps[part]),
                conversions.get(name),
                () if matched is None else matched.lr[key].steps[part],
                lr_conversion(matched, key, name, content.attributes[name].get("units")),
                npy_files(stage, steps[split_name], name) if fmt == "npy" else (),
            )
        )
        with contextlib.closing(made_pairs(tasks)) as pairs:
            for split_name in parts:
                kept[split_name] = writer.write(steps[split_name], pairs, report)
        dropped = _dropped(survey, parts, kept)
        likeness = tuple(found for tally in tallies.values() for found in tally.likeness)
        product = None
        if matched is not None:
            found = {name: tally.agreement() for name, tally in agreements.items()}
            product = replace(matched.product, agreement=found)
        manifest = Manifest(
            srwizard_version=__version__,
            sources=tuple(str(real_path(source)) for source in sources),
            format=fmt,
            scale=scale,
            method=_method_text(lr_method, area_weights, product),
            hr_shape=hr_grid.shape,
            lr_shape=content.grids["lr"].shape,
            crop=Crop.between(region.shape, hr_grid.shape),
            calendar=survey.calendar,
            climatology=survey.climatology,
            fractions=split,
            splits=prepared_splits(parts, survey, tallies, kept),
            variables={
                name: PreparedVariable(
                    survey.records[key].variable,
                    dict(content.attributes[name]),
                    tallies[name].land_share,
                    tallies[name].missing_share,
                    survey.records[key].attributes.get("units"),
                    survey.records[key].depth,
                )
                for key, name in names.items()
            },
            notes=(
                *survey.notes,
                *notes,
                *notes_on(region.shape, hr_grid.shape, tallies, conversions),
                *dropped_note(dropped),
                *leakage_notes(likeness, gap),
                *notes_on_statics(fields),
                *small_notes(lr_grid.shape),
                *conservation_notes(lr_method),
                *(() if product is None else notes_on_product(product)),
            ),
            region=Region(
                chosen.longitude,
                chosen.latitude,
                (region.rows.start, region.rows.stop),
                tuple((columns.start, columns.stop) for columns in region.columns),
            ),
            gap=gap,
            likeness=likeness,
            statics=tuple(static.name for static in statics),
            request=request,
            lr_product=product,
            dropped_steps=dropped,
        )
        write_json(stage / MANIFEST_NAME, manifest.to_json())
    return manifest


def _dropped(
    survey: Survey, parts: Mapping[str, slice], kept: Mapping[str, Sequence[int]]
) -> tuple[str, ...]:
    """Return the names of the steps that were left out for having no value."""
    there = {parts[split].start + position for split in parts for position in kept[split]}
    return tuple(
        step_name(place, survey.steps[place].moment)
        for part in parts.values()
        for place in range(part.start, part.stop)
        if place not in there
    )


def _report_nothing(stage: str, done: int, total: int) -> None:
    """Stand in for a caller that wants no progress."""


def _matched(
    lr_source: LrSource,
    hr: Survey,
    variables: Mapping[str, str],
    depths: Sequence[float],
    masking: Masking | None,
    report: Progress,
) -> Matched:
    lr = survey_sources(
        lr_source.paths,
        lr_source.variables or list(variables),
        lambda done, total: report("open", done, total),
        depths=depths,
        # A mask is on the grid of HR.
        masking=None if masking is None else replace(masking, variable=None),
    )
    its_names = dict(zip(variables, lr_source.variables or variables, strict=True))
    return match(hr, lr, its_names, lr_source.tolerance_hours, lr_source.regridding)


def _method_text(lr_method: str, area_weights: bool, product: LrProduct | None) -> str:
    if product is not None:
        return f"product of its own, {product.regridding}"
    if lr_method != "mean":
        return lr_method
    return BY_AREA if area_weights else "block mean"
