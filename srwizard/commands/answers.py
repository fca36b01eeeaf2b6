"""`srwizard answers`: print an answers file."""

from pathlib import Path

import click

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.typed_paths import at_home
from srwizard.commands.options import command, print_json


@command(_("Print an answers file: a template, its schema, or that of an earlier run."))
@click.option("--template", is_flag=True, help=_("Every key, its default and what it means."))
@click.option("--model", metavar="NAME", help=_("In the template: with this model's parameters."))
@click.option("--schema", is_flag=True, help=_("A JSON Schema, for editors."))
@click.option(
    "--from",
    "source",
    metavar="SESSION|RUN_DIR",
    help=_("The answers of an earlier session or run."),
)
def answers(template: bool, model: str | None, schema: bool, source: str | None) -> None:
    from srwizard.settings.answers_file import json_schema, template_text

    if sum((template or model is not None, schema, source is not None)) > 1:
        raise UsageError(
            _("--template, --schema and --from cannot be combined"),
            _("One of: srwizard answers --template | --schema | --from RUN_DIR"),
        )
    if schema:
        print_json(json_schema())
    elif source is not None:
        print(_text_from(source), end="")
    elif template or model is not None:
        print(template_text(model), end="")
    else:
        raise UsageError(
            _("say what to print"),
            _("One of: srwizard answers --template | --schema | --from RUN_DIR"),
        )


def _text_from(source: str) -> str:
    """Turn an earlier session or run into an answers file.

    Args:
        source: a run directory, or a session's id or file.

    Raises:
        UsageError: it is neither, or it is damaged.
    """
    from srwizard.settings import run_config, yaml_file
    from srwizard.settings.answers_file import answers_of
    from srwizard.wizard import session

    path = at_home(Path(source))
    if path.is_dir():
        answers = answers_of(run_config.load(path))
    else:
        try:
            found = session.find(source)
        except UsageError as error:
            raise UsageError(
                _("{source} is neither a run directory nor a session", source=source),
                error.hint,
            ) from None
        answers = session.load(found).answers
    header = "# " + _("From {source}. output.dir must be a directory without a run.", source=source)
    return f"{header}\n{yaml_file.dump(answers.decided())}"
