"""The models as a list to read; without torch."""

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from srwizard.base.i18n import language
from srwizard.base.i18n import translate as _
from srwizard.base.text_width import wrapped
from srwizard.models.catalog import ModelCard, cards

INDENT = 4


def models_text(columns: int | None) -> Text:
    """Return all models under the headings of their families.

    Args:
        columns: where lines are broken; None leaves them whole, for a file or another program.
    """
    text = Text()
    family = ""
    for item in cards().values():
        if family_title(item) != family:
            text.append("\n" if family else "")
            family = family_title(item)
            text.append(f"── {family} ──\n")
        text.append(f"  {model_title(item)}", style="bold")
        text.append(f"  {' · '.join(_facts(item))}\n")
        for paragraph in (item.summary_zh if language() == "zh" else item.summary_en, item.paper):
            lines = [paragraph] if columns is None else wrapped(paragraph, columns - INDENT - 1)
            text.append("".join(f"{' ' * INDENT}{line}\n" for line in lines))
    text.rstrip()
    return text


def models_json() -> list[dict[str, Any]]:
    """Return what the cards say, in the shape of `srwizard models --json`."""
    return [
        {
            "name": item.name,
            "family": item.family,
            "recommended": item.recommended,
            "summary": {"en": item.summary_en, "zh": item.summary_zh},
            "paper": item.paper,
            "fft": item.fft,
            "scales": list(item.scales),
            "parameters": {each.name: each.default for each in item.parameters},
            "sizes": {name: dict(params) for name, params in item.sizes.items()},
        }
        for item in cards().values()
    ]


def _facts(item: ModelCard) -> Iterator[str]:
    least, most = min(item.scales), max(item.scales)
    every = len(item.scales) > 2 and len(item.scales) == most - least + 1
    scales = f"{least}-{most}" if every else ", ".join(map(str, sorted(item.scales)))
    yield _("scale {scales}", scales=scales)
    if item.fft:
        yield "FFT"


def model_title(item: ModelCard) -> str:
    """Return a model's name, marked where it is the recommended one."""
    return _("{model} (recommended)", model=item.name) if item.recommended else item.name


def family_title(item: ModelCard) -> str:
    """Return the heading that a model stands under."""
    return _("standard models") if item.family == "standard" else _("diffusion models")
