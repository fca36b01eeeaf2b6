"""The answers file as people meet it: a commented template, a JSON Schema, or an earlier run's."""

from collections.abc import Iterator
from typing import Any

from srwizard.base.i18n import language
from srwizard.base.i18n import translate as _
from srwizard.data.baselines.choice import STANDARD
from srwizard.models.catalog import ModelCard, card, saved_parameters
from srwizard.settings import run_config
from srwizard.settings.answers import PREPARE, SECTIONS, Answers, Preparation
from srwizard.settings.options import (
    Declared,
    all_options,
    option_named,
    options,
    options_outside,
)
from srwizard.settings.run_config import RunConfig
from srwizard.settings.yaml_file import flow

EXAMPLES = {
    "data.root": "/path/to/dataset",
    "output.dir": "runs/first",
    "model.name": "SwinIR",
}
COMMENT_COLUMN = 40


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
        for declared in options(section):
            name, key = declared.name, declared.key
            value = EXAMPLES.get(key, declared.default())
            if chosen is not None and key == "model.name":
                value = chosen.name
            if chosen is not None and key == "model.params":
                yield _commented("  params:", _comment(declared))
                yield from _parameter_lines(chosen)
            else:
                left_open = "# " if declared.left_open else ""
                yield _commented(f"  {left_open}{name}: {flow(value)}", _comment(declared))
    yield ""
    for declared in options_outside():
        yield _commented(f"{declared.name}: {flow(declared.default())}", _comment(declared))


def _parameter_lines(chosen: ModelCard) -> Iterator[str]:
    for item in chosen.parameters:
        default = list(item.default) if isinstance(item.default, tuple) else item.default
        meaning = item.help_zh if language() == "zh" else item.help_en
        if item.choices:
            meaning += f" ({' | '.join(str(choice) for choice in item.choices)})"
        yield _commented(f"    {item.name}: {flow(default)}", meaning)


def _commented(text: str, comment: str) -> str:
    return f"{text.ljust(COMMENT_COLUMN)}  # {comment}"


def _comment(declared: Declared) -> str:
    limits, meaning = declared.limits(), declared.meaning()
    return f"{meaning} ({limits})" if limits else meaning


def limits_and_default(key: str, default: Any) -> str | None:
    """Return what a key ("training.epochs") allows, and its default; None where that says nothing.

    Args:
        key: of the answers file.
        default: the one that counts here, which the model or the device may decide; None: none.
    """
    declared = option_named(key)
    if declared is None:
        return None
    limits = declared.limits()
    parts = [_("allowed: {limits}", limits=limits)] if limits else []
    if default is not None:
        parts.append(_("default: {default}", default=flow(default)))
    return "; ".join(parts) or None


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the answers file, for editors, in the user's language."""
    schema = Answers.model_json_schema()
    for declared in [*all_options(), *options(PREPARE)]:
        part = schema
        if declared.section == PREPARE:
            part = schema["$defs"][Preparation.__name__]
        elif declared.section:
            reference = schema["properties"][declared.section]["$ref"]
            part = schema["$defs"][reference.rpartition("/")[2]]
        part["properties"][declared.name] |= {
            "title": declared.title,
            "description": declared.meaning(),
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "srwizard answers",
    }


SETTLED = {("model", "skip"), ("model", "global_skip")}
"""What a run config says in another way than the answers."""


def _skip_of(run: RunConfig) -> dict[str, Any]:
    """Return the answers about what the network of a run starts from."""
    if run.model.skip is None:
        older = run.model.global_skip or run.model.weights is not None
        return {"global_skip": run.model.global_skip} if older else {"skip": "none"}
    names = {found.choice.name for found in run.model.skip.values()}
    same = len(names) == 1 and names <= {choice.method for choice in STANDARD}
    return {"skip": names.pop() if same else "auto", "global_skip": None}


def answers_of(run: RunConfig) -> Answers:
    """Return the answers that lead to this run config, with another run directory."""
    values = run.model_dump()
    given: dict[str, Any] = {
        section: {
            name: values[section][name]
            for name in (declared.name for declared in options(section))
            if name in values[section] and (section, name) not in SETTLED
        }
        for section in SECTIONS
    }
    given["output"]["dir"] += "-again"
    given["model"]["weights"] = run.model.weights.path if run.model.weights else None
    given["model"]["params"] = saved_parameters(card(run.model.name), run.model.params)
    given["model"] |= _skip_of(run)
    given["devices"]["gpus"] = [gpu.index for gpu in run.devices.gpus]
    job = run.devices.slurm or run_config.RunSlurm()
    for name, value in job.model_dump().items():
        given["devices"][f"slurm_{name}"] = value
    return Answers.model_validate(given | {"confirm": False})
