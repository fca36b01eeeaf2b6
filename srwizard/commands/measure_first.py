"""A dry run on the machines where training is about to begin, for those that no wizard led there.

In a batch system, or on several machines, the wizard cannot measure: whoever trains does.
"""

import socket
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from srwizard.base.errors import DoesNotFitError
from srwizard.base.i18n import translate as _
from srwizard.base.visible import in_shell
from srwizard.data.dataset import Dataset
from srwizard.memory.dry_run_table import dry_run_table, verdict_lines
from srwizard.memory.measure import FILE_NAME, DryRun, dry_run, join_dry_run
from srwizard.runs.records import dry_run_of
from srwizard.settings import yaml_file
from srwizard.settings.answers_file import answers_of
from srwizard.settings.run_config import RunConfig
from srwizard.states import adjust
from srwizard.train.nodes import Nodes, endpoint_of
from srwizard.wizard import without_asking
from srwizard.wizard.reason import short_of_memory


def is_measured(run: RunConfig, run_dir: Path, nodes: Nodes | None) -> bool:
    """Return whether a dry run of this very config has already shown that it can be trained here.

    Several machines must all come to the same answer, so that of them no names are compared.
    """
    found = dry_run_of(run_dir, run.digest)
    if not found:
        return False
    hosts = found.get("hosts") or []
    here = len(hosts) > 1 if endpoint_of(nodes) else hosts == [socket.gethostname()]
    return here and found.get("verdict") != "does not fit"


def measure(
    run: RunConfig, run_dir: Path, nodes: Nodes | None, dataset: Dataset, console: Console
) -> None:
    """Measure before training.

    Raises:
        DoesNotFitError: it does not fit; the remedies were shown, and stand in dry_run.json.
        SrwizardError: the dry run failed or was interrupted.
    """
    print(_("Dry run: a few real steps, to measure the memory …"), flush=True)
    result = dry_run(run_dir, nodes, dataset)
    console.print(dry_run_table(result))
    for line in verdict_lines(short_of_memory(asdict(result)).figures):
        print(line)
    if result.verdict == "tight":
        print(_("It is tight, but it fits: training begins."), flush=True)
    if result.verdict == "does not fit":
        _show_remedies(run, run_dir, dataset, result, console)
        raise does_not_fit(run_dir)


def take_part(run_dir: Path, nodes: Nodes, dataset: Dataset) -> None:
    """Take part in a dry run that another machine leads.

    Raises:
        DoesNotFitError: it does not fit.
        SrwizardError: the dry run failed or was interrupted.
    """
    found: dict[str, Any] = join_dry_run(run_dir, nodes, dataset)
    if found.get("verdict") == "does not fit":
        raise does_not_fit(run_dir)


def does_not_fit(run_dir: Path) -> DoesNotFitError:
    """Return the error of a run that does not fit."""
    return DoesNotFitError(
        _("the run does not fit in memory; nothing was launched"),
        "\n".join(
            [
                _("Suggested changes are listed in {path}.", path=run_dir / FILE_NAME),
                _(
                    "To apply one of them: srwizard answers --from {run_dir} prints the "
                    "answers; change them and freeze them again.",
                    run_dir=in_shell(run_dir),
                ),
            ]
        ),
    )


def _show_remedies(
    run: RunConfig, run_dir: Path, dataset: Dataset, result: DryRun, console: Console
) -> None:
    """Show what can be changed, and write it into dry_run.json, as the wizard does."""
    answers = answers_of(run)
    answers.set("output.dir", str(run_dir))
    answers.set("memory.when_tight", "stop")
    conversation = without_asking.conversation_of(
        answers, yaml_file.parse(b"", ""), digests=[run.digest], console=console, dataset=dataset
    )
    conversation.session.reason = short_of_memory(asdict(result))
    try:
        adjust.run(conversation)
    except DoesNotFitError:
        return
