"""Changes of the answers as people read them: what was, and what is now."""

from collections.abc import Iterator, Mapping
from typing import Any

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.settings.answers import Answers, model_parameters
from srwizard.settings.options import all_options, option_named


def from_to(title: str, before: str, now: str) -> str:
    """Return a change in words, such as "Batch size 64 → 32"."""
    return _("{title} {before} → {now}", title=title, before=before, now=now)


def value_text(key: str, value: Any) -> str:
    """Return the value of a key of the answers, or of a run config, as people write it."""
    declared = option_named(key)
    if declared is not None and not isinstance(value, Mapping):
        return declared.value_text(value)
    if value is None:
        return _("none")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {value_text('', each)}" for name, each in value.items()) or "–"
    if isinstance(value, list | tuple):
        return ", ".join(value_text("", each) for each in value) or _("none")
    return f"{value:g}" if isinstance(value, float) else str(value)


def differences(before: Answers, now: Answers) -> Iterator[str]:
    """Yield what is otherwise in the answers now, each as `from_to` writes it."""
    for declared in all_options():
        key = declared.key
        if key not in ("confirm", "model.params") and before.get(key) != now.get(key):
            yield from_to(
                declared.title, value_text(key, before.get(key)), value_text(key, now.get(key))
            )
        elif key == "model.params" and before.model.name == now.model.name:
            yield from _of_parameters(before, now)


def _of_parameters(before: Answers, now: Answers) -> Iterator[str]:
    """Yield the parameters of the network that differ, by size or one by one."""
    if now.model.name is None:
        return
    try:
        earlier, present = model_parameters(before.model), model_parameters(now.model)
    except UsageError:  # what was answered cannot be resolved: it is refused elsewhere
        return
    for name, value in present.items():
        if earlier[name] != value:
            yield from_to(name, value_text("", earlier[name]), value_text("", value))
