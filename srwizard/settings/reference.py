"""The reference of the answers file as a page: `python -m srwizard.settings.reference [en|zh]`.

Made from the schema and the cards, so that it cannot say anything else than the program does.
"""

import sys
from collections.abc import Iterator

from srwizard.base import i18n
from srwizard.base.i18n import translate as _
from srwizard.models.card import Parameter
from srwizard.models.catalog import cards
from srwizard.settings.answers import SECTIONS, Answers
from srwizard.settings.answers_file import default_text, description_of, limits_text


def page() -> str:
    """Return the page, Markdown, in the language in use."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "# " + _("The answers file") + "\n"
    yield _(
        "YAML. A key that is left out keeps its default; an unknown key is an error that names the "
        "nearest one. `--set section.key=value` overrides a key. `srwizard answers --template` "
        "prints a file to fill in, `--schema` a JSON Schema for editors, `--from RUN_DIR` the "
        "answers of an earlier run."
    )
    for section in SECTIONS:
        fields = type(getattr(Answers(), section)).model_fields
        yield f"\n## `{section}`\n"
        yield from _table(
            (name, default_text(field), limits_text(field), description_of(field))
            for name, field in fields.items()
        )
    confirm = Answers.model_fields["confirm"]
    yield "\n## `confirm`\n"
    yield _("{meaning}; default {default}", meaning=description_of(confirm), default="false")
    yield "\n## " + _("Parameters of the models (`model.params`)")
    for card in cards().values():
        yield f"\n### {card.name}\n"
        yield from _table(
            (item.name, _default_of(item), _limits_of(item), _meaning_of(item))
            for item in card.parameters
        )
    yield ""


def _table(rows: Iterator[tuple[str, str, str, str]]) -> Iterator[str]:
    headings = (_("key"), _("default"), _("allowed"), _("meaning"))
    yield f"| {' | '.join(headings)} |"
    yield "| --- | --- | --- | --- |"
    for name, default, limits, meaning in rows:
        allowed = limits.replace("|", "\\|")
        yield f"| `{name}` | `{default}` | {allowed} | {meaning} |"


def _default_of(item: Parameter) -> str:
    return str(list(item.default) if isinstance(item.default, tuple) else item.default)


def _limits_of(item: Parameter) -> str:
    if item.choices:
        return " | ".join(map(str, item.choices))
    bounds = (("≥", item.minimum), ("≤", item.maximum))
    return ", ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)


def _meaning_of(item: Parameter) -> str:
    return item.help_zh if i18n.language() == "zh" else item.help_en


if __name__ == "__main__":
    i18n.set_language(sys.argv[1] if len(sys.argv) > 1 else "en")
    print(page(), end="")
