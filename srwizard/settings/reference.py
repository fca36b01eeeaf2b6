"""The reference of the answers file as a page: `python -m srwizard.settings.reference [en|zh]`.

Made from the schema and the cards, so that it cannot say anything else than the program does.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence

from srwizard.base import i18n
from srwizard.base.i18n import translate as _
from srwizard.models.card import Parameter
from srwizard.models.catalog import cards
from srwizard.settings.answers import PREPARE, SECTIONS
from srwizard.settings.options import Declared, options, options_outside
from srwizard.settings.yaml_file import flow


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
    for section in (*SECTIONS[:1], PREPARE, *SECTIONS[1:]):
        yield f"\n## `{section}`\n"
        yield from _options_table(options(section))
        yield from _choices(options(section))
    yield "\n## `confirm`\n"
    yield from _options_table(options_outside())
    yield "\n## " + _("Parameters of the models (`model.params`)")
    for card in cards().values():
        yield f"\n### {card.name}\n"
        headings = (_("key"), _("default"), _("allowed"), _("meaning"))
        yield from _table(
            headings,
            (
                (f"`{item.name}`", f"`{_default_of(item)}`", _limits_of(item), _meaning_of(item))
                for item in card.parameters
            ),
        )
    yield ""


def _options_table(listed: Iterable[Declared]) -> Iterator[str]:
    headings = (_("key"), _("name"), _("default"), _("allowed"), _("meaning"), _("example"))
    rows = (
        (
            f"`{one.name}`",
            one.title,
            f"`{flow(one.default())}`",
            one.limits(),
            one.meaning(),
            f"`{example_line(one)}`",
        )
        for one in listed
    )
    yield from _table(headings, rows)


def example_line(declared: Declared) -> str:
    """Return a key with an example of its value, as it may stand in its section."""
    return f"{declared.name}: {flow(declared.example)}"


def _choices(listed: Iterable[Declared]) -> Iterator[str]:
    """Yield what the values mean that stand for themselves in the table."""
    for declared in listed:
        if declared.option.choices:
            yield "\n" + _("Values of `{key}`:", key=declared.name) + "\n"
            for choice in declared.option.choices:
                yield f"- `{choice.name}`: {choice.meaning}"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield "|" + " --- |" * len(headings)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def _default_of(item: Parameter) -> str:
    return str(list(item.default) if isinstance(item.default, tuple) else item.default)


def _limits_of(item: Parameter) -> str:
    if item.choices:
        return " | ".join(map(str, item.choices))
    return item.bounds("≥", "≤")


def _meaning_of(item: Parameter) -> str:
    return item.help_zh if i18n.language() == "zh" else item.help_en


if __name__ == "__main__":
    i18n.set_language(sys.argv[1] if len(sys.argv) > 1 else "en")
    print(page(), end="")
