"""What went wrong with a run, what was changed, and how to make it again."""

from collections.abc import Mapping
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.base.visible import in_shell
from srwizard.report.names import key_title
from srwizard.report.records import Run
from srwizard.report.tables import Table, text_of, value_of


def failure_lines(run: Run) -> list[str]:
    """Return the failure that failure.json records as lines; none where there is none."""
    if run.failure is None:
        return []
    from srwizard.runs.failures import explain

    try:
        return explain(run.failure, run.directory)
    except (KeyError, ValueError, TypeError):
        return [str(run.failure["error"])]


def revision_tables(run: Run) -> list[Table]:
    """Return, for each earlier revision, the settings that were otherwise then."""
    head = (_("Setting"), _("Then"), _("Now"))
    return [
        Table(
            _("Earlier revision {file}", file=revision.file),
            head,
            [
                (key_title(path), value_of(path, then), value_of(path, now))
                for path, then, now in (
                    (tuple(key.split(".")), then, now) for key, then, now in revision.changes
                )
            ],
        )
        for revision in run.revisions
    ]


def reproduce_facts(run: Run) -> list[tuple[str, str]]:
    """Return what makes the run the one that it is, as far as it is known."""
    seed = run.section("training").get("seed")
    known = [
        (_("Digest"), run.config.get("digest")),
        (_("Revision"), run.config.get("revision")),
        (_("Seed"), seed),
    ]
    software: Mapping[str, Any] = run.section("software")
    known += [(str(name), version) for name, version in software.items()]
    return [(name, text_of(value)) for name, value in known if value is not None]


def reproduce_commands(run: Run) -> str:
    """Return the commands that train the same run in another directory, from the beginning."""
    comment = _("train the same run from the beginning, in a directory of its own")
    return "\n".join(
        (
            f"# {comment}",
            f"srwizard answers --from {in_shell(run.directory)} > answers.yaml",
            "srwizard --answers answers.yaml --set output.dir=again --set confirm=true",
        )
    )
