"""The answers file as people meet it: a commented template, and a JSON Schema for editors."""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from srwizard.answers import SECTIONS, Answers
from srwizard.i18n import translate as _

REQUIRED = {
    "data.root": "/path/to/dataset",
    "output.dir": "runs/first",
    "model.name": "SwinIR",
}


def template_text() -> str:
    """Return an answers file with every key, its default, its limits and its meaning."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# " + _("Answers for srwizard: srwizard --answers THIS_FILE")
    for section in SECTIONS:
        yield ""
        yield f"{section}:"
        for name, field in type(getattr(Answers(), section)).model_fields.items():
            key = f"{section}.{name}"
            value = REQUIRED.get(key, field.get_default(call_default_factory=True))
            shown = yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
            yield f"  {name}: {shown}".ljust(36) + f"  # {_meaning(field)}"
    yield ""
    yield "confirm: false".ljust(36) + "  # " + _("true: launch when everything is in order")


def _meaning(field: FieldInfo) -> str:
    limits = list(_limits(field))
    text = _(field.description or "")
    return f"{text} ({', '.join(limits)})" if limits else text


def _limits(field: FieldInfo) -> Iterator[str]:
    if get_origin(field.annotation) is Literal:
        yield " | ".join(str(value) for value in get_args(field.annotation))
    words = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    for limit in field.metadata:
        for name, sign in words.items():
            if getattr(limit, name, None) is not None:
                yield f"{sign} {getattr(limit, name)}"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the answers file."""
    return Answers.model_json_schema()
