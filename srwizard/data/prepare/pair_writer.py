"""From pairs to the files of a dataset, split by split, and the tallies that the manifest needs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.data.layout import Layout
from srwizard.data.prepare.lr_product import AgreementTally
from srwizard.data.prepare.manifest import FieldTally
from srwizard.data.prepare.pairs import Pairs
from srwizard.data.prepare.statistics import FieldStatistics
from srwizard.data.prepare.write import SPLIT_WRITERS, Content, SplitSteps, npy_path

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
        total, done = len(self.tallies) * len(steps.names), 0
        every: dict[str, list[FieldStatistics]] = {}
        with SPLIT_WRITERS[self.fmt](self.root, self.content, steps) as files:
            for name, tally in self.tallies.items():
                position = 0
                every[name] = []
                while position < len(steps.names):
                    found = next(pairs)
                    tally.far += found.far
                    tally.outside += found.outside
                    for hr, lr, statistics, mean in zip(
                        found.hr, found.lr, found.statistics, found.means, strict=True
                    ):
                        if not found.written:
                            files.write("hr", name, position, hr)
                            files.write("lr", name, position, lr)
                        every[name].append(statistics)
                        if statistics.count:
                            tally.add(steps.split, hr)
                            if name in self.agreements:
                                self.agreements[name].add(lr, mean)
                        position += 1
                        done += 1
                        report(steps.split, done, total)
            kept = [
                position
                for position in range(len(steps.names))
                if self.empty_steps == "keep"
                or all(each[position].count for each in every.values())
            ]
            for name, tally in self.tallies.items():
                tally.finish(steps.split, [every[name][position] for position in kept])
                _check_values(steps.split, name, tally)
            if len(kept) < len(steps.names):
                files.drop(set(range(len(steps.names))) - {*kept})
        return kept


def npy_files(root: Path, steps: SplitSteps, variable: str) -> list[tuple[Path, Path]]:
    """Return the files of HR and of LR of each step of a variable."""
    return [
        (npy_path(root, steps, "hr", variable, position),
         npy_path(root, steps, "lr", variable, position))
        for position in range(len(steps.names))
    ]  # fmt: skip


def _check_values(split: str, variable: str, tally: FieldTally) -> None:
    if not tally.has_values(split):
        raise DatasetError(
            _("{variable} has no value in any step of {split}: all is missing.",
              variable=variable, split=split),
            _("The sources declare a valid range, and all values lie outside of it: correct "
              "valid_min and valid_max, e.g. with ncatted.")
            if tally.outside
            else _("Check the sources, e.g. with ncview; is it the right variable?"),
        )  # fmt: skip
