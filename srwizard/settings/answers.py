"""The answers: what the user has decided, by section, with defaults and limits.

The same classes hold the resolved values in the frozen run config. What the user left open is
simply not set (`model_fields_set`), so that a saved session knows decisions from defaults.
"""

import difflib
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from srwizard.base.errors import UsageError
from srwizard.base.i18n import N_
from srwizard.base.i18n import translate as _
from srwizard.models import weights_file
from srwizard.models.catalog import card, cards, resolve_parameters, size_parameters
from srwizard.settings import yaml_file

Text = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """Unknown keys and values of another type are errors, never guesses."""

    model_config = ConfigDict(
        extra="forbid", strict=True, validate_assignment=True, allow_inf_nan=False
    )


class DataAnswers(Section):
    root: Text | None = Field(None, description=N_("dataset directory"))
    variables: list[Text] | None = Field(None, description=N_("variables to train on; null: all"))
    static_variables: list[Text] = Field(
        default_factory=list, description=N_("LR static fields as further input channels")
    )
    scale: int | None = Field(
        None, ge=2, description=N_("HR/LR; null: taken from the data, else checked against it")
    )


class OutputAnswers(Section):
    dir: Text | None = Field(None, description=N_("run directory, made if it is not there"))


SIZES = ("tiny", "base", "large")


class ModelAnswers(Section):
    name: Text | None = Field(None, description=N_("model; `srwizard models` lists them"))
    size: Literal["tiny", "base", "large"] | None = Field(
        None, description=N_("preset of the parameters; null: the defaults")
    )
    params: dict[str, Any] = Field(
        default_factory=dict,
        description=N_("parameters of the model that differ from its defaults or its size"),
    )
    weights: Text | None = Field(
        None,
        description=N_("file to begin from, made by `srwizard models --import-weights`"),
    )
    global_skip: bool = Field(
        True,
        description=N_(
            "learn only what bicubic interpolation misses; not for diffusion; with weights as they "
            "were trained"
        ),
    )


def model_parameters(model: ModelAnswers) -> dict[str, Any]:
    """Return every parameter of the chosen model: decided, of the weights, the size, or default.

    Raises:
        UsageError: there is no such model, size or file of weights, or a parameter is wrong.
    """
    chosen = card(model.name or "")
    base = size_parameters(chosen, model.size) if model.size else {}
    if model.weights:
        base = base | weights_file.describe(weights_file.expanded(model.weights)).params
    return resolve_parameters(chosen, {**base, **model.params})


class TrainingAnswers(Section):
    epochs: int = Field(500, ge=1, le=1_000_000, description=N_("passes over the training split"))
    lr: float = Field(0.001, gt=0, le=10, description=N_("learning rate at the start"))
    batch_size: int = Field(16, ge=1, description=N_("samples of one process in one micro-batch"))
    grad_accumulation: int = Field(1, ge=1, description=N_("micro-batches in one optimizer step"))
    normalization: Literal["PGN", "GN"] = Field(
        "PGN", description=N_("mean and spread per grid point (PGN) or per variable (GN)")
    )
    loss: Literal["L1", "L2", "Charbonnier", "relative_L2"] = Field(
        "L1", description=N_("loss over the points that have a value")
    )
    area_weights: bool = Field(
        False, description=N_("weight the loss by the area of each grid point; needs lat")
    )
    optimizer: Literal["AdamW", "Adam", "SGD"] = Field("AdamW", description=N_("optimizer"))
    weight_decay: float = Field(
        0.0001, ge=0, le=1, description=N_("weight decay: decoupled for AdamW, else an L2 penalty")
    )
    momentum: float = Field(0.9, ge=0, lt=1, description=N_("SGD: Nesterov momentum"))
    clip_grad_norm: float | None = Field(
        None, gt=0, description=N_("largest norm of the gradient; null: not clipped")
    )
    scheduler: Literal["StepLR", "cosine", "OneCycle", "plateau", "none"] = Field(
        "StepLR", description=N_("learning-rate schedule")
    )
    step_size: int = Field(200, ge=1, description=N_("StepLR: epochs between two reductions"))
    gamma: float = Field(
        0.5, gt=0, le=1, description=N_("StepLR, plateau: factor of each reduction")
    )
    plateau_patience: int = Field(
        10, ge=1, description=N_("plateau: validations without a better RMSE until a reduction")
    )
    warmup_epochs: int = Field(
        0, ge=0, description=N_("epochs in which the learning rate rises to lr; not for OneCycle")
    )
    min_lr: float = Field(
        0.0, ge=0, description=N_("cosine, plateau: the learning rate falls no lower")
    )
    ema_decay: float | None = Field(
        None,
        gt=0,
        lt=1,
        description=N_(
            "score a moving average of the weights; null: none; diffusion models 0.999 if not given"
        ),
    )
    patience: int | None = Field(
        None, ge=1, description=N_("early stopping: validations without a better RMSE; null: never")
    )
    eval_freq: int = Field(
        1,
        ge=1,
        description=N_("epochs between two validations; diffusion models 10 if not given"),
    )
    num_workers: int | None = Field(
        None, ge=0, le=64, description=N_("loader processes; null: 0 on a CPU, 4 beside each GPU")
    )
    seed: int = Field(42, ge=0, le=2**32 - 1, description=N_("seed of weights, order and patches"))
    trackers: list[Literal["tensorboard", "wandb"]] = Field(
        default_factory=list,
        description=N_("where else the metrics go: tensorboard, wandb (offline)"),
    )


DIFFUSION_DEFAULTS: dict[str, Any] = {"ema_decay": 0.999, "eval_freq": 10}
"""Where diffusion models differ: samples are drawn with averaged weights, as in the papers, and to
draw them takes as long as many steps of training."""


def training_defaults(model: str | None) -> TrainingAnswers:
    """Return the training parameters that a model has where nothing else is decided."""
    chosen = cards().get(model or "")
    diffusion = chosen is not None and chosen.family == "diffusion"
    return TrainingAnswers(**(DIFFUSION_DEFAULTS if diffusion else {}))


class DevicesAnswers(Section):
    gpus: list[Annotated[int, Field(ge=0)]] = Field(
        default_factory=list, description=N_("GPU numbers as `srwizard gpus` shows them; []: CPU")
    )
    processes: int = Field(
        1, ge=1, le=64, description=N_("processes on a CPU, of each machine; on GPUs one for each")
    )
    launcher: Literal["here", "nodes", "slurm"] = Field(
        "here", description=N_("this machine, several machines by torchrun, or a Slurm job")
    )
    nodes: int = Field(1, ge=1, le=1024, description=N_("machines; for nodes and slurm"))
    gpus_per_node: int = Field(
        0, ge=0, le=64, description=N_("GPUs of each machine, 0: its CPU; for nodes and slurm")
    )
    rdzv_endpoint: Text | None = Field(
        None, description=N_("where several machines meet: HOST:PORT of one of them; for nodes")
    )
    slurm_partition: Text | None = Field(
        None, description=N_("Slurm: partition; null: the cluster's default")
    )
    slurm_account: Text | None = Field(None, description=N_("Slurm: account that is charged"))
    slurm_time: Text | None = Field(
        None,
        description=N_("Slurm: time limit, [days-]hours:minutes:seconds; null: the partition's"),
    )
    slurm_memory: Text | None = Field(
        None, description=N_("Slurm: memory of each machine, such as 64G; null: the partition's")
    )
    slurm_cpus: int | None = Field(
        None, ge=1, le=1024, description=N_("Slurm: cores of each machine; null: one a process")
    )
    slurm_directives: list[Text] = Field(
        default_factory=list,
        description=N_("Slurm: further options of sbatch, such as --constraint=a100"),
    )

    @property
    def on_gpus(self) -> bool:
        """Whether training runs on GPUs."""
        return bool(self.gpus) or self.gpus_per_node > 0

    @property
    def world_size(self) -> int:
        """Processes of all machines together."""
        return self.processes_per_node * self.nodes

    @property
    def processes_per_node(self) -> int:
        """Processes of one machine: one for each GPU, or as many as chosen on a CPU."""
        return len(self.gpus) or self.gpus_per_node or self.processes


class MemoryAnswers(Section):
    use_amp: bool = Field(True, description=N_("mixed precision (bfloat16) where the model can"))
    gradient_checkpointing: bool = Field(
        True, description=N_("recompute each block in the backward pass instead of keeping it")
    )
    patch_size: int | None = Field(
        None, ge=2, description=N_("train on HR windows of this size, a multiple of the scale")
    )
    shard: bool = Field(
        False,
        description=N_("share weights, gradients and optimizer out to the processes (FSDP)"),
    )
    when_tight: Literal["ask", "stop", "accept", "apply"] = Field(
        "ask",
        description=N_("if memory is short: ask a person, stop, accept if tight, apply remedies"),
    )


class Answers(Section):
    data: DataAnswers = Field(default_factory=DataAnswers)
    output: OutputAnswers = Field(default_factory=OutputAnswers)
    model: ModelAnswers = Field(default_factory=ModelAnswers)
    training: TrainingAnswers = Field(default_factory=TrainingAnswers)
    devices: DevicesAnswers = Field(default_factory=DevicesAnswers)
    memory: MemoryAnswers = Field(default_factory=MemoryAnswers)
    confirm: bool = Field(False, description=N_("launch when everything is in order"))

    def decided(self) -> dict[str, Any]:
        """Return only what was decided, without defaults."""
        return self.model_dump(exclude_unset=True)

    def has(self, key: str) -> bool:
        """Tell whether `key` ("training.epochs", "model.params.width") was decided."""
        node: Any = self
        for part in key.split("."):
            if part not in (node if isinstance(node, dict) else node.model_fields_set):
                return False
            node = node[part] if isinstance(node, dict) else getattr(node, part)
        return True

    def get(self, key: str) -> Any:
        """Return the value of `key`, the default where it was not decided."""
        node: Any = self
        for part in key.split("."):
            node = node.get(part) if isinstance(node, dict) else getattr(node, part)
        return node

    def set(self, key: str, value: Any) -> None:
        """Decide `key`.

        Raises:
            pydantic.ValidationError: the value is of another type or out of its limits.
        """
        *sections, name = key.split(".")
        node: Any = self
        for part in sections:
            child = getattr(node, part)
            setattr(node, part, child)  # marks the section as decided
            node = getattr(node, part)
        if isinstance(node, dict):
            node[name] = value
        else:
            setattr(node, name, value)

    def forget(self, key: str) -> None:
        """Return `key` to its default, as if it had never been decided."""
        section_name, name = key.split(".")
        section: Section = getattr(self, section_name)
        section.__dict__[name] = getattr(type(section)(), name)
        section.model_fields_set.discard(name)
        if not section.model_fields_set:
            self.model_fields_set.discard(section_name)


SECTIONS = tuple(name for name in Answers.model_fields if name != "confirm")


def known_keys() -> tuple[str, ...]:
    """Return every key as the answers file and `--set` write it."""
    keys = [
        f"{section}.{name}"
        for section in SECTIONS
        for name in type(getattr(Answers(), section)).model_fields
    ]
    return (*keys, "confirm")


def key_problem(key: str, value: Any) -> str | None:
    """Say why `value` cannot be the answer to `key` ("training.epochs"), or None where it can."""
    try:
        Answers().set(key, value)
    except ValidationError as error:
        return _explain(error.errors()[0])
    return None


def parse_answers(document: yaml_file.Document) -> Answers:
    """Validate a parsed answers file, the model's name and parameters included.

    Raises:
        UsageError: lists every mistake with its line and column, in the order of the file.
    """
    # "training:" with nothing below it is an empty section, not a mistake.
    given = {
        key: {} if value is None and key in SECTIONS else value
        for key, value in document.values.items()
    }
    mistakes = list(_model_mistakes(given))
    try:
        answers = Answers.model_validate(given)
    except ValidationError as error:
        mistakes += [(found["loc"], _explain(found)) for found in error.errors()]
    if not mistakes:
        return answers
    placed = [
        (document.place(path), f"{document.place(path)}: {_dotted(path)}: {what}")
        for path, what in mistakes
    ]
    lines = [line for _place, line in sorted(placed, key=lambda item: _order(item[0]))]
    raise UsageError(
        _("the answers are not valid:") + "".join(f"\n  {line}" for line in lines),
        _("Every key with its default and limits: srwizard answers --template"),
    )


def _model_mistakes(given: Mapping[str, Any]) -> Iterator[tuple[yaml_file.KeyPath, str]]:
    """Find what is wrong with the model's name and parameters; that needs no data."""
    section = given.get("model")
    name = section.get("name") if isinstance(section, dict) else None
    if not isinstance(section, dict) or not isinstance(name, str):
        return
    try:
        chosen = card(name)
    except UsageError as error:
        yield ("model", "name"), _joined(error)
        return
    size = section.get("size")
    if size in SIZES:
        try:
            size_parameters(chosen, size)
        except UsageError as error:
            yield ("model", "size"), _joined(error)
    params = section.get("params")
    for key, value in params.items() if isinstance(params, dict) else ():
        try:
            resolve_parameters(chosen, {key: value})
        except UsageError as error:
            yield ("model", "params", str(key)), _joined(error)


def _joined(error: UsageError) -> str:
    if not error.hint:
        return error.message
    return _("{message} {hint}", message=error.message, hint=error.hint)


def _order(place: str) -> tuple[int, int]:
    """Sort places by line and column; those of the command line come last."""
    line, column = ["", "", *place.rsplit(":", 2)][-2:]
    if line.isdigit() and column.isdigit():
        return int(line), int(column)
    return sys.maxsize, 0


def _dotted(location: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in location)


def _explain(found: Mapping[str, Any]) -> str:
    """Say in the user's language what one pydantic error means."""
    context = found.get("ctx", {})
    shown = _shown(found.get("input"))
    match found["type"]:
        case "extra_forbidden":
            return _unknown_key(found["loc"])
        case "greater_than_equal":
            return _("{value} is too small; at least {limit}", value=shown, limit=context["ge"])
        case "greater_than":
            return _("{value} is too small; more than {limit}", value=shown, limit=context["gt"])
        case "less_than":
            return _("{value} is too large; less than {limit}", value=shown, limit=context["lt"])
        case "less_than_equal":
            return _("{value} is too large; at most {limit}", value=shown, limit=context["le"])
        case "literal_error":
            # pydantic joins the last two with "or".
            allowed = ", ".join(re.findall(r"'[^']*'|\d+", str(context["expected"])))
            return _("{value} is not one of {allowed}", value=shown, allowed=allowed)
        case "int_type" | "int_from_float":
            return _("{value} is not a whole number", value=shown)
        case "float_type" | "finite_number":
            return _("{value} is not a number", value=shown)
        case "bool_type":
            return _("{value} is neither true nor false", value=shown)
        case "string_type":
            return _("{value} is not a text", value=shown)
        case "string_too_short":
            return _("must not be empty")
        case "list_type":
            return _("{value} is not a list such as [a, b]", value=shown)
        case "dict_type" | "model_type" | "model_attributes_type":
            return _("{value} is not a section with keys", value=shown)
    return str(found["msg"])


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _unknown_key(location: tuple[str | int, ...]) -> str:
    section = ".".join(str(part) for part in location[:-1])
    allowed = [
        key.removeprefix(f"{section}.") if section else key.split(".")[0]
        for key in known_keys()
        if not section or key.startswith(f"{section}.")
    ]
    near = difflib.get_close_matches(str(location[-1]), allowed, n=1)
    if near:
        return _("unknown key; did you mean {near}?", near=near[0])
    return _("unknown key; known are {allowed}", allowed=", ".join(dict.fromkeys(allowed)))
