"""What pydantic finds wrong, said in the user's language."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.settings.yaml_file import flow


def explanation(found: Mapping[str, Any], known: Sequence[str]) -> str:
    """Say what one pydantic error means.

    Args:
        found: the error.
        known: every key of the answers.
    """
    context = found.get("ctx", {})
    shown = _shown(found.get("input"))
    match found["type"]:
        case "extra_forbidden":
            return _unknown_key(found["loc"], known)
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
            allowed = listed(re.findall(r"'[^']*'|\d+", str(context["expected"])))
            return _("{value} is not one of {allowed}", value=shown, allowed=allowed)
        case "int_type" | "int_from_float":
            if isinstance(found["input"], float) and found["input"].is_integer():
                return _("write {value} without a point or an exponent", value=int(found["input"]))
            return _("{value} is not a whole number", value=shown)
        case "float_type" | "finite_number":
            return _("{value} is not a number", value=shown)
        case "bool_type":
            return _("{value} is neither true nor false", value=shown)
        case "string_type":
            return _("{value} is not a text", value=shown)
        case "string_unicode":
            return _("{value} holds characters that no text can have", value=shown)
        case "invalid_key":
            return _("{key} is no name of a key", key=_shown(found["loc"][-1]))
        case "string_too_short":
            return _("must not be empty")
        case "list_type":
            return _("{value} is not a list such as [a, b]", value=shown)
        case "dict_type" | "model_type" | "model_attributes_type":
            return _("{value} is not a section with keys", value=shown)
        case "value_error":  # from a validator of ours, which has said it in the user's language
            return str(context["error"])
    return str(found["msg"])


def _shown(value: Any) -> str:
    # Texts in quotes; all else as YAML has it.
    text = repr(value) if isinstance(value, str) else flow(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _unknown_key(location: tuple[str | int, ...], known: Sequence[str]) -> str:
    section = ".".join(str(part) for part in location[:-1])
    allowed = [
        key.removeprefix(f"{section}.") if section else key.split(".")[0]
        for key in known
        if not section or key.startswith(f"{section}.")
    ]
    near = difflib.get_close_matches(str(location[-1]), allowed, n=1)
    meant = near[0] if near else _in_another_section(str(location[-1]), known)
    if meant is not None:
        return _("unknown key; did you mean {near}?", near=meant)
    return _("unknown key; known are {allowed}", allowed=listed(dict.fromkeys(allowed)))


def _in_another_section(name: str, known: Sequence[str]) -> str | None:
    """Return the key that has this name, wherever it belongs; None: none has."""
    return next((key for key in known if key.rpartition(".")[2] == name.casefold()), None)
