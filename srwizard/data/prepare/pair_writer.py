"""From pairs to the files of a dataset, split by split, and the tallies that the manifest needs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.data.layout import LEVELS, Layout
from srwizard.data.prepare.lr_product import AgreementTally
from srwizard.data.prepare.manifest import FieldTally
from srwizard.data.prepare.pairs import Pairs
from srwizard.data.prepare.statistics import FieldStatistics
from srwizard.data.prepare.write import (
    SPLIT_WRITERS,
    Content,
    SplitFiles,
    SplitSteps,
    npy_path,
)
from srwizard.data.split_names import split_words

EmptySteps = Literal["drop", "keep"]
Progress = Callable[[str, int, int], None]
"""(stage, done, total); the stages are open (files), then train, valid and test (fields)."""


@dataclass(frozen=True)
class PairWriter:
    """Writes HR fields and their block means, and tallies them, split by split."""

    root: Path
    fmt: Layout
    content: Content
    tallies: Mapping[str, FieldTally]
    agreements: Mapping[str, AgreementTally]
    empty_steps: EmptySteps

    def write(self, steps: SplitSteps, pairs: Iterator[Pairs], report: Progress) -> list[int]:
        """Write one split of every variable from the pairs that come next.

        Returns:
            The steps of the split that are kept.
        """
        every: dict[str, list[FieldStatistics]] = {}
        empty: set[int] = set()
        length, total = len(steps.names), len(self.tallies) * len(steps.names)
        with SPLIT_WRITERS[self.fmt](self.root, self.content, steps) as files:
            for number, name in enumerate(self.tallies):
                every[name] = []
                for each, is_empty in self._taken(name, steps, pairs, files):
                    if is_empty:
                        empty.add(len(every[name]))
                    every[name].append(each)
                    report(steps.split, number * length + len(every[name]), total)
            kept = [at for at in range(length) if at not in empty or self.empty_steps == "keep"]
            for name, tally in self.tallies.items():
                tally.finish(
                    steps.split, {steps.names[position]: every[name][position] for position in kept}
                )
                if not kept and name in self.agreements:
                    self.agreements[name].agreement()  # raises where LR has nothing of HR
                _check_values(steps.split, name, tally)
            if len(kept) < length:
                files.drop(set(range(length)) - {*kept})
        return kept

    def _taken(
        self, name: str, steps: SplitSteps, pairs: Iterator[Pairs], files: SplitFiles
    ) -> Iterator[tuple[FieldStatistics, bool]]:
        """Write one variable; yield the statistics of each step, and whether it has no value."""
        position = 0
        while position < len(steps.names):
            found = next(pairs)
            if not found.written:
                _write_fields(files, name, position, found)
            empty = _without_value(found)
            self._tally(steps.split, name, found, empty)
            yield from zip(found.statistics, empty, strict=True)
            position += len(found.statistics)

    def _tally(self, split: str, name: str, found: Pairs, empty: Sequence[bool]) -> None:
        tally = self.tallies[name]
        tally.far += found.far
        tally.outside += found.outside
        tally.add_missing(found.always_missing)
        for hr, lr, mean, is_empty in zip(found.hr, found.lr, found.means, empty, strict=True):
            if not is_empty:
                tally.add(split, hr)
                if name in self.agreements:
                    self.agreements[name].add(lr, mean)


def _without_value(found: Pairs) -> list[bool]:
    """Return of each step whether HR, or LR of its own, has no value at all."""
    return [
        not statistics.count or lr_empty
        for statistics, lr_empty in zip(found.statistics, found.lr_empty, strict=True)
    ]


def _write_fields(files: SplitFiles, variable: str, first: int, found: Pairs) -> None:
    for position, (hr, lr) in enumerate(zip(found.hr, found.lr, strict=True), start=first):
        files.write("hr", variable, position, hr)
        files.write("lr", variable, position, lr)


def npy_files(root: Path, steps: SplitSteps, variable: str) -> Iterator[tuple[Path, Path]]:
    """Yield the files of HR and of LR of each step of a variable."""
    for position in range(len(steps.names)):
        hr, lr = (npy_path(root, steps, level, variable, position) for level in LEVELS)
        yield hr, lr


def _check_values(split: str, variable: str, tally: FieldTally) -> None:
    if not tally.has_values(split):
        raise DatasetError(
            _("{variable} has no value in any step of the {split}: all is missing.",
              variable=variable, split=split_words(split)),
            _("The sources declare a valid range, and all values lie outside of it: correct "
              "valid_min and valid_max, e.g. with ncatted.")
            if tally.outside
            else _("Check the sources, e.g. with ncview; is it the right variable?"),
        )  # fmt: skip
