"""Several runs from one: the same answers but for some values, each frozen in its own directory."""

import difflib
import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.data.dataset import Dataset
from srwizard.settings import run_config, yaml_file
from srwizard.settings.answers import key_problem, known_keys, parse_answers, training_defaults
from srwizard.settings.answers_file import answers_of
from srwizard.settings.options import options
from srwizard.settings.recipe import KEYS as RECIPE_KEYS
from srwizard.settings.run_config import RunConfig
from srwizard.wizard import without_asking
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.machine import module_of
from srwizard.wizard.recipe import RECOMMENDED
from srwizard.wizard.resolve import resolve_to_freeze

DIRECTORY = "sweep"
PARAMETERS = "model.params."
DECIDES = {
    "model.size": ("model.params",),
    "model.skip": ("model.global_skip",),
    "model.global_skip": ("model.skip",),
    "training.recipe": RECIPE_KEYS,
}
"""Answers from which others follow: these are left open, or the value of a run would stand."""
Change = tuple[str, Any]


def freeze_all(run_dir: Path, sweeps: Sequence[str]) -> list[Path]:
    """Freeze a run for each combination of values, from the answers of a run.

    Args:
        run_dir: the run whose answers they share; they are written below it.
        sweeps: texts "training.seed=1,2,3", of which several multiply.

    Returns:
        Their directories.

    Raises:
        UsageError: a key or a value is wrong, or a directory holds another run already.
        DatasetError: the dataset is not usable.
    """
    run = run_config.load(run_dir)
    axes = [_axis(text) for text in sweeps]
    keys = [axis[0][0] for axis in axes]
    if len(set(keys)) < len(keys):
        raise UsageError(_("--sweep: each key may be given once"))
    dataset = Dataset(Path(run.data.root), run.data.outliers, periodic=run.data.periodic)
    found: dict[Path, Conversation] = {}
    for changes in itertools.product(*axes):
        target = run_dir / DIRECTORY / _name_of(changes)
        if target in found:
            raise UsageError(_("--sweep: {name} is given twice", name=target.name))
        found[target] = _answered(run, changes, target, dataset)
    # All are right: from here on, files are written.
    for conversation in found.values():
        try:
            module_of("frozen").run(conversation)
        finally:
            conversation.end()
    return list(found)


def _axis(text: str) -> list[Change]:
    """Return the values that a key takes in turn."""
    key, equals, values = text.partition("=")
    if not equals or not values.strip():
        raise UsageError(
            _("--sweep {text}: not of the form key=value,value", text=text),
            _("For example: --sweep training.seed=1,2,3"),
        )
    _require_known(key)
    content = f"value: [{values}]".encode("utf-8", "surrogateescape")
    found = yaml_file.parse(content, f"--sweep {text}").values["value"]
    for value in found:
        problem = None if key.startswith(PARAMETERS) else key_problem(key, value)
        if problem is not None:
            raise UsageError(f"--sweep {key}: {problem}")
    return [(key, value) for value in found]


def _require_known(key: str) -> None:
    if key.startswith(("devices.", "output.")) or key == "confirm":
        raise UsageError(
            _("--sweep: {key} must be the same for all runs of one job", key=key),
            _("Their devices are those of the run that they come from."),
        )
    if key in known_keys() or key.startswith(PARAMETERS):
        return
    near = difflib.get_close_matches(key, known_keys(), n=1)
    raise UsageError(
        _("--sweep: {key} is not a key of the answers file", key=key),
        _("Did you mean {near}?", near=near[0]) if near else "",
    )


def _name_of(changes: Iterable[Change]) -> str:
    # None and True as the answers file spells them; 1e-05 as it has always been.
    spelled = [
        (key, yaml_file.flow(value) if value is None or isinstance(value, bool) else value)
        for key, value in changes
    ]
    parts = [f"{key.rpartition('.')[2]}-{value}" for key, value in spelled]
    return "_".join(re.sub(r"[^\w.+-]+", "-", part).strip("-") for part in parts)


def _answered(
    run: RunConfig, changes: Sequence[Change], target: Path, dataset: Dataset
) -> Conversation:
    """Walk through the sections of the wizard with the answers of one run, and show nothing."""
    values: dict[str, Any] = answers_of(run).decided()
    for key, value in changes:
        if key == "model.name" and value != run.model.name:
            _forget_what_the_model_decides(values, run)
        for other in DECIDES.get(key, ()):
            _forget(values, other)
    for key, value in changes:
        _set(values, key, value)
    _set(values, "output.dir", str(target))
    named = " ".join(f"--sweep {key}={value}" for key, value in changes)
    document = yaml_file.Document(named, values)
    present = run_config.digest_in(target)
    conversation = without_asking.conversation_of(
        parse_answers(document), document, digests=[present] if present else [], dataset=dataset
    )
    try:
        without_asking.go_through(conversation)
        if present is not None:
            _require_same(conversation, target, present)
    except UsageError as error:
        raise UsageError(
            f"{named}: {error.message.removeprefix(named + ': ')}", error.hint
        ) from None
    return conversation


def _require_same(conversation: Conversation, target: Path, present: str) -> None:
    """Make sure that the run which a directory holds already is the one that belongs there."""
    if (
        run_config.seal(resolve_to_freeze(conversation, conversation.session.answers)).digest
        != present
    ):
        raise UsageError(
            _("{path} already holds another run", path=target),
            _("Move it away, or sweep from another run directory."),
        )


def _forget_what_the_model_decides(values: dict[str, Any], run: RunConfig) -> None:
    """Leave open what was not decided but followed from the model, now that it is another one."""
    recipe = RECIPE_KEYS if run.training.recipe == RECOMMENDED else ()
    for key in ("model.params", "model.size", "model.weights", *recipe):
        _forget(values, key)
    defaults = training_defaults(run.model.name)
    for name in (declared.name for declared in options("training") if declared.left_open):
        if values["training"].get(name) == getattr(defaults, name):
            values["training"].pop(name, None)


def _forget(values: dict[str, Any], key: str) -> None:
    *sections, name = key.split(".")
    for part in sections:
        values = values.get(part) or {}
    values.pop(name, None)


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    *sections, name = key.split(".")
    for part in sections:
        values = values.setdefault(part, {})
    values[name] = value
