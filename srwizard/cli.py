"""The commands: thin, each one calling what does the work. Nothing here imports torch."""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from srwizard import __version__, i18n
from srwizard.commands import attend, evaluate, preparing, status, using
from srwizard.commands.options import (
    OPTIONS,
    PATH,
    WholeNumber,
    as_json_option,
    console,
    run_directory,
)
from srwizard.errors import InterruptedByUserError, UsageError
from srwizard.i18n import translate as _

if TYPE_CHECKING:
    from srwizard.conversation import Conversation
    from srwizard.session import Session

ORDER = (
    "resume", "answers", "prepare", "inspect", "models", "gpus", "estimate", "train", "status",
    "logs", "stop", "evaluate", "report", "predict", "export",
)  # fmt: skip
"""That of the work, in which the commands are listed."""


class InOrder(click.Group):
    """Lists the commands in the order of the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        known = [name for name in ORDER if name in self.commands]
        return known + [name for name in self.commands if name not in known]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them with all that is said of them; click would cut it at the screen's edge."""
        rows = [(name, self.commands[name].help or "") for name in self.list_commands(ctx)]
        with formatter.section(_("Commands")):
            formatter.write_dl(rows)


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
@click.option("--detach", is_flag=True, help=_("Train in the background."))
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
    detach: bool,
) -> None:
    """Walk through the wizard, in this terminal or from an answers file."""
    if context.invoked_subcommand is not None:
        return
    if answers is None:
        if overrides:
            raise UsageError(
                _("--set needs --answers"), _("For example: srwizard --answers FILE --set a.b=c")
            )
        _converse(stop_after, detach)
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
    machine.run(Conversation(session, prompts, stop_after, detach))
    if stop_after is not None:
        print(_("Stopped as asked. Go on with: srwizard resume {id}", id=session.id))


def command(help_text: str) -> Callable[[Callable[..., None]], click.Command]:
    """Make a function a command of its name."""
    return cli.command(help=help_text, options_metavar=OPTIONS)


def _converse(stop_after: str | None, detach: bool) -> None:
    from srwizard import machine
    from srwizard import session as sessions

    conversation = _conversation(sessions.new_session(), stop_after, detach)
    machine.run(conversation)


def _conversation(session: "Session", stop_after: str | None, detach: bool) -> "Conversation":
    from srwizard.conversation import Conversation
    from srwizard.prompts import require_terminal
    from srwizard.terminal import TerminalPrompts

    require_terminal(session.id if session.path is not None else None)
    prompts = TerminalPrompts(console)
    prompts.show(Text(_("srwizard {version}", version=__version__), style="bold"))
    prompts.show(Text(_("Esc or Ctrl-B: back · ?: help · Ctrl-C: save and quit"), style="dim"))
    return Conversation(session, prompts, stop_after, detach)


@command(_("Go on with an unfinished session."))
@click.argument("session", required=False, metavar=_("[SESSION]"))
@click.option("--detach", is_flag=True, help=_("Train in the background."))
def resume(session: str | None, detach: bool) -> None:
    from srwizard import machine
    from srwizard import session as sessions

    found = sessions.load(sessions.find(session)) if session else _choose_session()
    machine.resume(_conversation(found, None, detach))


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


@command(_("List the models, or import published weights."))
@as_json_option
@click.option(
    "--import-weights",
    "source",
    type=PATH,
    metavar="FILE",
    help=_("Published weights: .pth, .pt, .safetensors or .npz. The options below belong to it."),
)
@click.option("--model", metavar="NAME", help=_("Model that the weights are of."))
@click.option(
    "--scale", type=WholeNumber(), default=2, show_default=True, metavar="N", help=_("HR/LR.")
)
@click.option(
    "--size",
    type=click.Choice(["tiny", "base", "large"]),
    help=_("Size that the weights were trained with."),
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="NAME=VALUE",
    help=_("Parameter that the weights were trained with; repeatable."),
)
@click.option(
    "--in-channels",
    type=WholeNumber(),
    default=1,
    show_default=True,
    metavar="N",
    help=_("Input channels of the run: variables and static fields."),
)
@click.option(
    "--out-channels",
    type=WholeNumber(),
    default=1,
    show_default=True,
    metavar="N",
    help=_("Output channels of the run: variables."),
)
@click.option(
    "--img-range",
    type=float,
    default=1.0,
    show_default=True,
    metavar="X",
    help=_("What the code of the weights multiplies images by; 255 for EDSR."),
)
@click.option(
    "-o", "--out", type=PATH, metavar="OUT", help=_("File to write, for the answer model.weights.")
)
def models(as_json: bool, source: Path | None, **options: Any) -> None:
    if source is not None:
        _import_weights(source, as_json=as_json, **options)
    elif as_json:
        from srwizard.models.table import models_json

        print(json.dumps(models_json(), indent=2, ensure_ascii=False))
    else:
        from srwizard.models.table import models_text

        columns = console.width if console.is_terminal else None
        console.print(models_text(columns), soft_wrap=True)


def _import_weights(
    source: Path,
    *,
    as_json: bool,
    model: str | None,
    scale: int,
    size: str | None,
    overrides: tuple[str, ...],
    in_channels: int,
    out_channels: int,
    img_range: float,
    out: Path | None,
) -> None:
    if model is None or out is None:
        raise UsageError(
            _("--import-weights needs --model and -o"),
            _(
                "For example: srwizard models --import-weights FILE --model SwinIR --scale 4 "
                "-o weights.safetensors"
            ),
        )
    if min(in_channels, out_channels) < 1 or not img_range > 0:
        raise UsageError(
            _("--in-channels and --out-channels must be at least 1, --img-range more than 0")
        )
    from srwizard import yamlfile
    from srwizard.models.catalog import card, size_parameters

    params = size_parameters(card(model), size) if size else {}
    params |= yamlfile.assignments(overrides)
    from srwizard.models.importing import import_weights, write_weights

    net, described, notices = import_weights(
        source,
        model,
        in_channels=in_channels,
        out_channels=out_channels,
        scale=scale,
        params=params,
        img_range=img_range,
    )
    write_weights(net, described, out)
    if as_json:
        report = {"file": str(out), **asdict(described), "notices": notices}
        print(json.dumps(report, indent=2, ensure_ascii=False))
        return
    for notice in notices:
        print(notice)
    print(_("Written: {path}. In the answers file: model.weights: {path}", path=out))


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
@click.option("--detach", is_flag=True, help=_("Train in the background."))
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
def train(
    run_dir: Path, detach: bool, print_command: bool, nnodes: int, rdzv_endpoint: str | None
) -> None:
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
    if detach:
        _train_in_the_background(run_dir, one_machine=nodes is None)
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


def _train_in_the_background(run_dir: Path, *, one_machine: bool) -> None:
    from srwizard.train.detach import detach, following

    if not one_machine:
        raise UsageError(
            _("--detach trains on one machine"),
            _("Start each of several through your batch system, or under nohup or tmux."),
        )
    for line in following(run_dir, detach(run_dir)):
        print(line)


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


for module in (preparing, status, attend, evaluate, using):
    for item in module.COMMANDS:
        cli.add_command(item)
