"""The commands: thin, each one calling what does the work. Nothing here imports torch."""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from srwizard import __version__, i18n
from srwizard.errors import EXIT_DATASET, InterruptedByUserError, UsageError
from srwizard.i18n import translate as _

if TYPE_CHECKING:
    from srwizard.conversation import Conversation
    from srwizard.data.layout import Layout
    from srwizard.session import Session

OPTIONS = _("[OPTIONS]")
PATH = click.Path(path_type=Path)

console = Console()
run_directory = click.argument("run_dir", type=PATH, metavar="RUN_DIR")
as_json_option = click.option("--json", "as_json", is_flag=True, help=_("Print JSON."))


class InOrder(click.Group):
    """Lists the commands in the order in which they stand here, that of the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them with all that is said of them; click would cut it at the screen's edge."""
        rows = [(name, item.help or "") for name, item in self.commands.items()]
        with formatter.section(_("Commands")):
            formatter.write_dl(rows)


class WholeNumber(click.types.IntParamType):
    """A whole number, called so in messages."""

    name = _("whole number")


@click.group(
    cls=InOrder,
    invoke_without_command=True,
    help=_("From a directory of field pairs to a trained super-resolution model."),
    options_metavar=OPTIONS,
    subcommand_metavar=_("COMMAND [ARGUMENTS]"),
)
@click.option(
    "--answers",
    type=PATH,
    metavar="FILE",
    help=_("Take all answers from this file; ask nothing."),
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help=_("Override one answer of the file."),
)
@click.option(
    "--stop-after",
    type=click.Choice(["frozen", "dry_run"]),
    help=_("Stop once this is done."),
)
@click.option(
    "--lang",
    type=click.Choice(i18n.LANGUAGES),
    expose_value=False,  # chosen before the texts of the commands were made
    help=_("Language; else that of the locale (LANG)."),
)
@click.version_option(
    __version__, message="%(prog)s %(version)s", prog_name="srwizard", help=_("Show the version.")
)
@click.pass_context
def cli(
    context: click.Context,
    answers: Path | None,
    overrides: tuple[str, ...],
    stop_after: str | None,
) -> None:
    """Walk through the wizard, in this terminal or from an answers file."""
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

    document = yamlfile.read(answers, overrides)
    session = sessions.new_session()
    session.answers = parse_answers(document)
    prompts = AnswersFilePrompts(document, console)
    machine.run(Conversation(session, prompts, stop_after))
    if stop_after is not None:
        print(_("Stopped as asked. Go on with: srwizard resume {id}", id=session.id))


def command(help_text: str) -> Callable[[Callable[..., None]], click.Command]:
    """Make a function a command of its name."""
    return cli.command(help=help_text, options_metavar=OPTIONS)


def _converse(stop_after: str | None) -> None:
    from srwizard import machine
    from srwizard import session as sessions

    conversation = _conversation(sessions.new_session(), stop_after)
    machine.run(conversation)


def _conversation(session: "Session", stop_after: str | None) -> "Conversation":
    from srwizard.conversation import Conversation
    from srwizard.prompts import require_terminal
    from srwizard.terminal import TerminalPrompts

    require_terminal(session.id if session.path is not None else None)
    prompts = TerminalPrompts(console)
    prompts.show(Text(_("srwizard {version}", version=__version__), style="bold"))
    prompts.show(Text(_("Esc or Ctrl-B: back · ?: help · Ctrl-C: save and quit"), style="dim"))
    return Conversation(session, prompts, stop_after)


@command(_("Go on with an unfinished session."))
@click.argument("session", required=False, metavar=_("[SESSION]"))
def resume(session: str | None) -> None:
    from srwizard import machine
    from srwizard import session as sessions

    found = sessions.load(sessions.find(session)) if session else _choose_session()
    machine.resume(_conversation(found, None))


def _choose_session() -> "Session":
    from srwizard import session as sessions
    from srwizard.prompts import Back, Choice, Question, require_terminal
    from srwizard.terminal import TerminalPrompts
    from srwizard.titles import title_of

    found = sessions.unfinished()
    if not found:
        raise UsageError(_("there is no unfinished session"), _("Begin one with: srwizard"))
    if len(found) == 1:
        return found[0]
    require_terminal()
    choices = tuple(
        Choice(
            place,
            " · ".join([_what_for(item), title_of(item.state), sessions.age_text(item)]),
            _in_use(item),
            details=partial(_session_details, item),
        )
        for place, item in enumerate(found)
    )
    question = Question("", _("Which session?"), "one", 0, choices=choices)
    try:
        chosen: int = TerminalPrompts(console).ask(question, 0, given=False)
    except (Back, KeyboardInterrupt):
        raise InterruptedByUserError(
            _("no session was chosen; they are as they were"),
            _("See them again with: srwizard resume"),
        ) from None
    return found[chosen]


def _what_for(session: "Session") -> str:
    """Return the dataset of a session and, once it is known, the name of the run."""
    answers = session.answers
    run = f" → {Path(answers.output.dir).name}" if answers.output.dir else ""
    return f"{answers.data.root or '-'}{run}"


def _in_use(session: "Session") -> str | None:
    from srwizard.locks import holder

    found = holder(session.lock_path)
    return _("in use by {holder}", holder=found) if found is not None else None


def _session_details(session: "Session") -> list[str]:
    answers = session.answers
    return [
        _("Session {id}", id=session.id),
        _("Run directory: {path}", path=answers.output.dir or "-"),
        _("Model: {model}", model=answers.model.name or "-"),
    ]


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
    from srwizard.answers_file import json_schema, template_text, text_from

    if sum((template or model is not None, schema, source is not None)) > 1:
        raise UsageError(
            _("--template, --schema and --from exclude each other"),
            _("One of: srwizard answers --template | --schema | --from RUN_DIR"),
        )
    if schema:
        print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    elif source is not None:
        print(text_from(source), end="")
    elif template or model is not None:
        print(template_text(model), end="")
    else:
        raise UsageError(
            _("say what to print"),
            _("One of: srwizard answers --template | --schema | --from RUN_DIR"),
        )


@command(_("Make a dataset directory from NetCDF files."))
@click.argument("sources", nargs=-1, required=True, type=PATH, metavar="SOURCE…")
@click.option(
    "--variable",
    multiple=True,
    required=True,
    metavar="NAME",
    help=_("Variable in the files; repeatable."),
)
@click.option(
    "-o", "--out", type=PATH, required=True, metavar="ROOT", help=_("Dataset directory to make.")
)
@click.option(
    "--name",
    multiple=True,
    metavar="NAME",
    help=_("Its name in the dataset; as often as --variable."),
)
@click.option(
    "--scale", type=WholeNumber(), default=2, show_default=True, metavar="N", help=_("HR/LR.")
)
@click.option(
    "--split",
    default="0.7/0.15/0.15",
    show_default=True,
    metavar="A/B/C",
    help=_("Shares of train/valid/test, in order of time."),
)
@click.option(
    "--format",
    "fmt",
    type=click.Choice(["npy", "h5", "nc"]),
    default="npy",
    show_default=True,
    help=_("Layout to write."),
)
@click.option(
    "--area-weights", is_flag=True, help=_("Weight the block mean by the cosine of latitude.")
)
@click.option("--overwrite", is_flag=True, help=_("Replace what is in the directory."))
def prepare(
    sources: tuple[Path, ...],
    variable: tuple[str, ...],
    out: Path,
    name: tuple[str, ...],
    scale: int,
    split: str,
    fmt: "Layout",
    area_weights: bool,
    overwrite: bool,
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
        fmt=fmt,
        area_weights=area_weights,
        overwrite=overwrite,
        progress=_progress_line if console.is_terminal else None,
    )
    for note in manifest.notes:
        print(note)
    show_dataset(out)


def _progress_line(stage: str, done: int, total: int) -> None:
    title = _("opening files") if stage == "open" else _("writing {split}", split=stage)
    end = "\n" if done == total else ""
    print(f"\r{title}: {done}/{total}", end=end, flush=True)


@command(_("Show what is in a dataset directory."))
@click.argument("root", type=PATH, metavar="ROOT")
@as_json_option
def inspect(root: Path, as_json: bool) -> None:
    show_dataset(root, as_json=as_json)


def show_dataset(root: Path, *, as_json: bool = False) -> None:
    """Print what is in a dataset directory; exit with 3 where it cannot be used."""
    from srwizard.data.inspect import inspect as look
    from srwizard.dataset import summary_table
    from srwizard.prompts import expand

    summary = look(expand(str(root)))
    if as_json:
        print(json.dumps(asdict(summary), indent=2, default=str, ensure_ascii=False))
    else:
        console.print(summary_table(summary))
    if not summary.usable:
        raise click.exceptions.Exit(EXIT_DATASET)


@command(_("List the models."))
@as_json_option
def models(as_json: bool) -> None:
    from srwizard.models.catalog import cards
    from srwizard.models.table import models_text

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
        columns = console.width if console.is_terminal else None
        console.print(models_text(columns), soft_wrap=True)


@command(_("Show the GPUs and the CPU, and who is busy on them."))
@as_json_option
def gpus(as_json: bool) -> None:
    from srwizard.devices import devices_json, find_devices
    from srwizard.states.devices import devices_table

    found = find_devices()
    if as_json:
        print(json.dumps(devices_json(found), indent=2, ensure_ascii=False))
    else:
        console.print(devices_table(found))


@command(_("Train a frozen run, or go on with it from its last checkpoint."))
@run_directory
@click.option("--print-command", is_flag=True, help=_("Print what would be started, and end."))
@click.option(
    "--nnodes",
    type=WholeNumber(),
    default=1,
    metavar="N",
    help=_("Machines; give the same command on each of them."),
)
@click.option(
    "--rdzv-endpoint",
    metavar="HOST:PORT",
    help=_("Where several machines meet: one of them."),
)
def train(run_dir: Path, print_command: bool, nnodes: int, rdzv_endpoint: str | None) -> None:
    from srwizard import runconfig
    from srwizard.locks import LockedError, held
    from srwizard.states.done import ensemble_lines, scores_table, warnings
    from srwizard.train import launch, processes

    run_dir = run_dir.absolute()
    run = runconfig.load(run_dir)
    nodes = processes.nodes_of(nnodes, rdzv_endpoint)
    if print_command:
        print(processes.as_typed(run, launch.WORKER, str(run_dir), nodes=nodes))
        return
    try:
        with held(run_dir / ".lock", _("the run directory {path}", path=run_dir)):
            print(_("Training in {run_dir} …", run_dir=run_dir), flush=True)
            scores = launch.launch(run_dir, nodes)
    except LockedError:
        if nodes is None:
            raise
        print(_("Another machine leads this training; taking part in it …"), flush=True)
        launch.join(run_dir, nodes)
        return
    console.print(scores_table(scores, console.width))
    for line in (*ensemble_lines(scores), *warnings(scores)):
        print(line)
    print(_("Report: {path}", path=run_dir / "report.html"))


@command(_("Predict the peak memory of a run; no GPU is needed for it."))
@click.argument("run_dir", type=PATH, required=False, metavar="[RUN_DIR]")
@click.option(
    "--answers", type=PATH, metavar="FILE", help=_("Of an answers file, without freezing it.")
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help=_("Override one answer of the file."),
)
@click.option("--gpu", metavar="GPU", help=_('A GPU by name ("RTX 3090") or size (24GiB).'))
@click.option(
    "--batch-sizes", default="", metavar="8,16", help=_("More batch sizes, separated by commas.")
)
@click.option(
    "--fit",
    type=click.Choice(["batch_size"]),
    help=_("Find the largest that fits, with at most 3 dry runs; with --gpu by prediction alone."),
)
@as_json_option
def estimate(
    run_dir: Path | None,
    answers: Path | None,
    overrides: tuple[str, ...],
    gpu: str | None,
    batch_sizes: str,
    fit: str | None,
    as_json: bool,
) -> None:
    from srwizard import estimate as estimating
    from srwizard.memory.gpu_catalog import capacity

    sizes = _batch_sizes(batch_sizes)
    if (run_dir is None) == (answers is None) or (overrides and answers is None):
        raise UsageError(
            _("estimate takes either a run directory or --answers FILE, the latter with --set"),
            _("For example: srwizard estimate --answers FILE --set training.batch_size=8"),
        )
    if gpu is not None:
        capacity(gpu)  # a mistake is told before anything is read
    if answers is not None:
        run = estimating.run_of_answers(answers, overrides, imagined_gpu=gpu is not None)
    else:
        assert run_dir is not None
        run = estimating.frozen_run(run_dir)
    found = estimating.estimate(run, gpu=gpu, batch_sizes=sizes, fit_batch=fit is not None)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        console.print(estimating.estimate_text(found))


def _batch_sizes(given: str) -> list[int]:
    words = [word.strip() for word in given.split(",") if word.strip()]
    wrong = [word for word in words if not word.isdecimal() or int(word) == 0]
    if wrong:
        raise UsageError(
            _(
                "--batch-sizes {given}: {wrong} is not a whole number above 0",
                given=given,
                wrong=wrong[0],
            ),
            _("For example: --batch-sizes 8,16"),
        )
    return [int(word) for word in words]


@command(_("Write the report of a run anew."))
@run_directory
def report(run_dir: Path) -> None:
    from srwizard.report import write_report

    print(_("Report: {path}", path=write_report(run_dir.absolute())))
