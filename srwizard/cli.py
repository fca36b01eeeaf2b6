"""The commands: thin, each one calling what does the work. Nothing here imports torch."""

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from srwizard import __version__, i18n
from srwizard.errors import EXIT_DATASET, UsageError
from srwizard.i18n import translate as _

if TYPE_CHECKING:
    from srwizard.conversation import Conversation
    from srwizard.session import Session

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=_("From a directory of field pairs to a trained super-resolution model."),
)
console = Console()


class Language(StrEnum):
    """Languages of the messages."""

    EN = "en"
    ZH = "zh"


class StopAfter(StrEnum):
    """Where to stop, with exit code 0."""

    FROZEN = "frozen"
    DRY_RUN = "dry_run"


class Format(StrEnum):
    """Layouts that `prepare` writes."""

    NPY = "npy"
    H5 = "h5"
    NC = "nc"


AsJson = Annotated[bool, typer.Option("--json", help=_("Print JSON."))]


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"srwizard {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def wizard(
    context: typer.Context,
    answers: Annotated[
        Path | None, typer.Option(help=_("Take all answers from this file; ask nothing."))
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help=_("Override one answer of the file.")),
    ] = None,
    stop_after: Annotated[StopAfter | None, typer.Option(help=_("Stop once this is done."))] = None,
    lang: Annotated[
        Language | None, typer.Option(help=_("Language; else that of the locale (LANG)."))
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help=_("Show the version.")
        ),
    ] = False,
) -> None:
    """Walk through the wizard, in this terminal or from an answers file."""
    if lang is not None:
        i18n.set_language(lang.value)
    if context.invoked_subcommand is not None:
        return
    if answers is None:
        if overrides:
            raise UsageError(
                _("--set needs --answers"), _("For example: srwizard --answers FILE --set a.b=c")
            )
        _converse(stop_after)
        return
    from srwizard import machine, yamlfile
    from srwizard import session as sessions
    from srwizard.answers import parse_answers
    from srwizard.conversation import Conversation
    from srwizard.prompts import AnswersFilePrompts

    document = yamlfile.read(answers, tuple(overrides or ()))
    session = sessions.new_session()
    session.answers = parse_answers(document)
    prompts = AnswersFilePrompts(document, console)
    machine.run(Conversation(session, prompts, stop_after.value if stop_after else None))
    if stop_after is not None:
        print(_("Stopped as asked. Go on with: srwizard resume {id}", id=session.id))


def _converse(stop_after: StopAfter | None) -> None:
    from srwizard import machine
    from srwizard import session as sessions

    conversation = _conversation(sessions.new_session(), stop_after)
    machine.run(conversation)


def _conversation(session: "Session", stop_after: StopAfter | None) -> "Conversation":
    from srwizard.conversation import Conversation
    from srwizard.prompts import require_terminal
    from srwizard.terminal import TerminalPrompts

    require_terminal()
    prompts = TerminalPrompts(console)
    prompts.show(Text(_("srwizard {version}", version=__version__), style="bold"))
    prompts.show(Text(_("Esc or Ctrl-B: back · ?: help · Ctrl-C: save and quit"), style="dim"))
    return Conversation(session, prompts, stop_after.value if stop_after else None)


@app.command(help=_("Go on with an unfinished session."))
def resume(
    session: Annotated[str | None, typer.Argument(help=_("Session id or file."))] = None,
) -> None:
    from srwizard import machine
    from srwizard import session as sessions

    found = sessions.load(sessions.find(session)) if session else _choose_session()
    machine.resume(_conversation(found, None))


def _choose_session() -> "Session":
    from srwizard import session as sessions
    from srwizard.prompts import Choice, Question, require_terminal
    from srwizard.terminal import TerminalPrompts

    found = sessions.unfinished()
    if not found:
        raise UsageError(_("there is no unfinished session"), _("Begin one with: srwizard"))
    if len(found) == 1:
        return found[0]
    require_terminal()
    choices = tuple(
        Choice(
            place,
            _(
                "{id} · {dataset} · {state} · {age} ago",
                id=item.id,
                dataset=item.answers.data.root or "-",
                state=item.state,
                age=sessions.age_text(item),
            ),
        )
        for place, item in enumerate(found)
    )
    question = Question("", _("Which session?"), "one", 0, choices=choices)
    chosen: int = TerminalPrompts(console).ask(question, 0, given=False)
    return found[chosen]


@app.command(help=_("Print an answers file: a template, its schema, or that of an earlier run."))
def answers(
    template: Annotated[
        bool, typer.Option("--template", help=_("Every key, its default and what it means."))
    ] = False,
    model: Annotated[
        str | None, typer.Option(help=_("In the template: with this model's parameters."))
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help=_("A JSON Schema, for editors."))
    ] = False,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="SESSION|RUN_DIR", help=_("The answers of an earlier session or run.")
        ),
    ] = None,
) -> None:
    from srwizard.answers_file import json_schema, template_text, text_from

    if schema:
        print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    elif source is not None:
        print(text_from(source), end="")
    elif template or model is not None:
        print(template_text(model), end="")
    else:
        raise UsageError(
            _("say what to print"), "srwizard answers --template | --schema | --from RUN_DIR"
        )


@app.command(help=_("Show what is in a dataset directory."))
def inspect(root: Path, as_json: AsJson = False) -> None:
    from srwizard.data.inspect import inspect as look
    from srwizard.prompts import expand
    from srwizard.states.data import summary_table

    summary = look(expand(str(root)))
    if as_json:
        print(json.dumps(asdict(summary), indent=2, default=str, ensure_ascii=False))
    else:
        console.print(summary_table(summary))
    if not summary.usable:
        raise typer.Exit(EXIT_DATASET)


@app.command(help=_("List the models."))
def models(as_json: AsJson = False) -> None:
    from srwizard.models.catalog import cards
    from srwizard.models.table import models_table

    if as_json:
        rows = [
            {
                "name": card.name,
                "family": card.family,
                "recommended": card.recommended,
                "summary": {"en": card.summary_en, "zh": card.summary_zh},
                "paper": card.paper,
                "fft": card.fft,
                "scales": list(card.scales),
                "parameters": {item.name: item.default for item in card.parameters},
            }
            for card in cards().values()
        ]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        console.print(models_table())


@app.command(help=_("Show the GPUs and the CPU, and who is busy on them."))
def gpus(as_json: AsJson = False) -> None:
    from srwizard.devices import devices_json, find_devices
    from srwizard.states.devices import devices_table

    found = find_devices()
    if as_json:
        print(json.dumps(devices_json(found), indent=2, ensure_ascii=False))
    else:
        console.print(devices_table(found))


@app.command(help=_("Train a frozen run, or go on with it from its last checkpoint."))
def train(run_dir: Path) -> None:
    from srwizard import runconfig
    from srwizard.locks import held
    from srwizard.states.done import scores_table, warnings
    from srwizard.train.launch import launch

    run_dir = run_dir.absolute()
    runconfig.load(run_dir)
    with held(run_dir / ".lock", _("the run directory {path}", path=run_dir)):
        print(_("Training in {run_dir} …", run_dir=run_dir))
        scores = launch(run_dir)
    console.print(scores_table(scores))
    for warning in warnings(scores):
        print(warning)
    print(_("Report: {path}", path=run_dir / "report.html"))


@app.command(help=_("Predict the peak memory of a frozen run; no GPU is needed for it."))
def estimate(
    run_dir: Path,
    gpu: Annotated[
        str | None, typer.Option(help=_('A GPU by name ("RTX 3090") or size (24GiB).'))
    ] = None,
    batch_sizes: Annotated[
        str, typer.Option(help=_("More batch sizes, separated by commas."))
    ] = "",
    as_json: AsJson = False,
) -> None:
    from srwizard.memory.predict import main as predict

    chosen = ["--gpu", gpu] if gpu else []
    shape = ["--json"] if as_json else []
    raise typer.Exit(predict([str(run_dir), "--batch-sizes", batch_sizes, *chosen, *shape]))


@app.command(help=_("Write the report of a run anew."))
def report(run_dir: Path) -> None:
    from srwizard.report import write_report

    print(_("Report: {path}", path=write_report(run_dir.absolute())))


@app.command(help=_("Make a dataset directory from NetCDF files."))
def prepare(
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE…", help=_("NetCDF files."))],
    variable: Annotated[list[str], typer.Option(help=_("Variable in the files; repeatable."))],
    out: Annotated[Path, typer.Option("-o", "--out", help=_("Dataset directory to make."))],
    name: Annotated[
        list[str] | None, typer.Option(help=_("Its name in the dataset; as often as --variable."))
    ] = None,
    scale: Annotated[int, typer.Option(help=_("HR/LR."))] = 2,
    split: Annotated[
        str, typer.Option(help=_("Shares of train/valid/test, in order of time."))
    ] = "0.7/0.15/0.15",
    fmt: Annotated[Format, typer.Option("--format", help=_("Layout to write."))] = Format.NPY,
    area_weights: Annotated[
        bool, typer.Option(help=_("Weight the block mean by the cosine of latitude."))
    ] = False,
    overwrite: Annotated[bool, typer.Option(help=_("Replace what is in the directory."))] = False,
) -> None:
    from srwizard.data.prepare import parse_split
    from srwizard.data.prepare import prepare as make

    names = name or variable
    if len(names) != len(variable):
        raise UsageError(
            _("{count} --variable but {names} --name", count=len(variable), names=len(names)),
            _("Give one --name for each --variable, or none."),
        )
    manifest = make(
        sources,
        variables=dict(zip(variable, names, strict=True)),
        scale=scale,
        split=parse_split(split),
        out=out,
        fmt=fmt.value,
        area_weights=area_weights,
        overwrite=overwrite,
        progress=_progress_line if console.is_terminal else None,
    )
    for note in manifest.notes:
        print(note)
    inspect(out)


def _progress_line(phase: str, done: int, total: int) -> None:
    end = "\n" if done == total else ""
    print(f"\r{phase}: {done}/{total}", end=end, flush=True)
