"""The process that settles the simple methods beside the wizard's questions.

`python -m srwizard.data.baselines.settler DESCRIPTOR` reads from standard input what `beside.begin`
has written there. To standard output it says in lines of JSON how far it is; what it has found goes
to the open file DESCRIPTOR.
"""

import json
import os
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srwizard.base import i18n
from srwizard.base.errors import DatasetError
from srwizard.data import stored_layout
from srwizard.data.baselines import known
from srwizard.data.baselines.settle import Settled
from srwizard.data.dataset import Dataset, unreadable
from srwizard.data.outliers import Outliers


def main() -> None:
    """Settle one variable after the other; one that cannot be read is no reason to stop."""
    i18n.set_language(i18n.language_from_environment())
    asked = json.load(sys.stdin)
    contents = stored_layout.from_json(asked["contents"])
    dataset = Dataset(Path(asked["root"]), asked["outliers"], periodic=contents.periodic)
    dataset.contents = contents
    with os.fdopen(int(sys.argv[1]), "wb") as results:
        for place, variable in enumerate(asked["scales"]):
            try:
                found = _settled(dataset, variable, place, asked)
            except DatasetError as error:
                _say(variable=variable, problem=error.message)
                continue
            except (OSError, ValueError) as error:
                _say(variable=variable, problem=unreadable(error, dataset.root).message)
                continue
            begin = results.tell()
            pickle.dump(found, results, pickle.HIGHEST_PROTOCOL)
            results.flush()
            _say(variable=variable, begin=begin, end=results.tell())
            known.forget()  # whoever has asked has it now


def _settled(
    dataset: Dataset, variable: str, place: int, asked: Mapping[str, Any]
) -> tuple[known.Identity, Outliers, Settled]:
    scale, count = asked["scales"][variable], len(asked["scales"])

    def progress(done: int, total: int) -> None:
        _say(done=place * total + done, total=count * total)

    # Before anything else is read: what changes from here on is told by it.
    identity = dataset.identity(variable, scale)
    settled = dataset.settled(variable, scale, asked["normalization"], None, progress)
    return identity, dataset.looked_at(variable, scale), settled


def _say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
