"""The answers file as people meet it: a commented template, a JSON Schema, or an earlier run's."""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from srwizard.base.i18n import language
from srwizard.base.i18n import translate as _
from srwizard.models.catalog import ModelCard, card
from srwizard.settings import run_config
from srwizard.settings.answers import SECTIONS, Answers
from srwizard.settings.run_config import RunConfig

EXAMPLES = {
    "data.root": "/path/to/dataset",
    "output.dir": "runs/first",
    "model.name": "SwinIR",
}
COMMENT_COLUMN = 40
LEFT_OPEN = (
    "memory.use_amp", "model.global_skip", "training.ema_decay", "training.eval_freq",
)  # fmt: skip
"""Their defaults depend on device, model or weights: a template that gave them would decide."""


def template_text(model: str | None = None) -> str:
    """Return an answers file with every key, its default, its limits and its meaning.

    Args:
        model: write out the parameters of this model too.

    Raises:
        UsageError: there is no such model.
    """
    chosen = card(model) if model is not None else None
    return "\n".join(_lines(chosen)) + "\n"


def _lines(chosen: ModelCard | None) -> Iterator[str]:
    yield "# " + _("Answers for srwizard; run them with: srwizard --answers THIS_FILE")
    for section in SECTIONS:
        yield ""
        yield f"{section}:"
        for name, field in type(getattr(Answers(), section)).model_fields.items():
            key = f"{section}.{name}"
            value = EXAMPLES.get(key, field.get_default(call_default_factory=True))
            if chosen is not None and key == "model.name":
                value = chosen.name
            if chosen is not None and key == "model.params":
                yield _commented("  params:", _meaning(field))
                yield from _parameter_lines(chosen)
            elif key in LEFT_OPEN:
                yield _commented(f"  # {name}: {_flow(value)}", _meaning(field))
            else:
                yield _commented(f"  {name}: {_flow(value)}", _meaning(field))
    yield ""
    confirm = Answers.model_fields["confirm"]
    yield _commented("confirm: false", _meaning(confirm))


def _parameter_lines(chosen: ModelCard) -> Iterator[str]:
    for item in chosen.parameters:
        default = list(item.default) if isinstance(item.default, tuple) else item.default
        meaning = item.help_zh if language() == "zh" else item.help_en
        if item.choices:
            meaning += f" ({' | '.join(str(choice) for choice in item.choices)})"
        yield _commented(f"    {item.name}: {_flow(default)}", meaning)


def _commented(text: str, comment: str) -> str:
    return f"{text.ljust(COMMENT_COLUMN)}  # {comment}"


def _flow(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()


def default_text(field: FieldInfo) -> str:
    """Return a default as it stands in the file."""
    return _flow(field.get_default(call_default_factory=True))


def limits_text(field: FieldInfo) -> str:
    """Return what a value may be, "" for anything of its type."""
    return ", ".join(_limits(field))


def description_of(field: FieldInfo) -> str:
    """Return what a value means, in the user's language."""
    return _(field.description) if field.description else ""


def _meaning(field: FieldInfo) -> str:
    limits, text = limits_text(field), description_of(field)
    return f"{text} ({limits})" if limits else text


def meaning_of(key: str, default: Any) -> str | None:
    """Return what a key ("training.epochs") means and its limits; None for others.

    Args:
        key: of the answers file.
        default: the one that counts here, which the model or the device may decide; None: none.
    """
    section, _dot, name = key.partition(".")
    if section not in SECTIONS:
        return None
    field = type(getattr(Answers(), section)).model_fields.get(name)
    if field is None:
        return None
    meaning = _meaning(field)
    return (
        meaning
        if default is None
        else _("{meaning}; default {default}", meaning=meaning, default=_flow(default))
    )


def _limits(field: FieldInfo) -> Iterator[str]:
    if get_origin(field.annotation) is Literal:
        yield " | ".join(str(value) for value in get_args(field.annotation))
    words = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    for limit in field.metadata:
        for name, sign in words.items():
            if getattr(limit, name, None) is not None:
                yield f"{sign} {getattr(limit, name)}"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the answers file, for editors; its descriptions are translated."""
    schema: dict[str, Any] = _described(Answers.model_json_schema())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "srwizard answers",
    }


def _described(node: Any) -> Any:
    """Return a part of a schema with its descriptions in the user's language."""
    if isinstance(node, list):
        return [_described(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _(value) if key == "description" and isinstance(value, str) else _described(value)
        for key, value in node.items()
    }


def answers_of(run: RunConfig) -> Answers:
    """Return the answers that lead to this run config, with another run directory."""
    values = run.model_dump()
    given: dict[str, Any] = {
        section: {
            name: values[section][name]
            for name in type(getattr(Answers(), section)).model_fields
            if name in values[section]
        }
        for section in SECTIONS
    }
    given["output"]["dir"] += "-again"
    given["model"]["weights"] = run.model.weights.path if run.model.weights else None
    given["devices"]["gpus"] = [gpu.index for gpu in run.devices.gpus]
    job = run.devices.slurm or run_config.RunSlurm()
    for name, value in job.model_dump().items():
        given["devices"][f"slurm_{name}"] = value
    return Answers.model_validate(given | {"confirm": False})
