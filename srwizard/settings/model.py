"""The options on the network."""

from typing import Annotated, Any

from pydantic import Field

from srwizard.base.choices import Value
from srwizard.base.i18n import N_
from srwizard.base.typed_paths import expand
from srwizard.models import weights_file
from srwizard.models.catalog import (
    card,
    cards,
    resolve_parameters,
    saved_parameters,
    size_parameters,
)
from srwizard.settings.option import Circumstances, Condition, Option, Section, Text

SIZES = (
    Value("tiny", N_("to try things out, or for few fields")),
    Value("base", N_("as in its paper")),
    Value("large", N_("for many fields and much memory")),
)


def is_diffusion(model: str | None) -> bool:
    """Return whether there is such a model and it is a diffusion model."""
    chosen = cards().get(model or "")
    return chosen is not None and chosen.family == "diffusion"


def _standard(at: Circumstances) -> bool:
    return not is_diffusion(at.answers.get("model.name"))


STANDARD_ONLY = Condition(N_("Only for standard models."), _standard)


class NetworkChoice(Section):
    """Which network; the run config has its parameters resolved."""

    name: Annotated[
        Text | None,
        Option(
            N_("Model"),
            N_(
                "The network; `srwizard models` lists them. The recommended one is a good first "
                "choice; lighter ones train faster."
            ),
            asked="always",
            example="SwinIR",
        ),
    ] = None
    size: Annotated[
        str | None,
        Option(
            N_("Size of the model"),
            N_("A preset of the model's parameters."),
            asked="never",
            none=N_("the defaults"),
            choices=SIZES,
            example="tiny",
        ),
    ] = None
    params: Annotated[
        dict[str, Any],
        Option(
            N_("Model parameters"),
            N_("Parameters that differ from the model's defaults, or from its size."),
            asked="never",
            example={"embed_dim": 96},
        ),
    ] = Field(default_factory=dict)
    weights: Annotated[
        Text | None,
        Option(
            N_("Weights to begin from"),
            N_(
                "A run directory or a checkpoint in it, a bundle of `srwizard export`, or a file "
                "that `srwizard models --import-weights` has made."
            ),
            asked="never",
            none=N_("untrained"),
            example="swinir.safetensors",
        ),
    ] = None


SKIPS = (
    Value("auto", N_("of these, the best on the validation split, for each variable")),
    Value("bicubic", N_("interpolation")),
    Value("climatology", N_("the HR mean of the training split, and interpolated anomalies")),
    Value("linear", N_("a least-squares filter of the neighbourhood")),
    Value("climatology+linear", N_("the HR mean, and the filtered anomalies")),
    Value("none", N_("the network gives the whole field")),
)


CONSERVATIONS = (
    Value("none", N_("SR as the network gives it")),
    Value("additive", N_("each block of SR is shifted so that its mean is the LR value")),
)


class FrozenModel(Section):
    """What the run config takes over as it is answered."""

    conserve: Annotated[
        str,
        Option(
            N_("Conservation of block means"),
            N_(
                "Whether block means of SR are exactly LR, in training and afterwards. For LR that "
                "was made from HR by block means, as `srwizard prepare` does."
            ),
            choices=CONSERVATIONS,
        ),
    ] = "none"


class ModelAnswers(FrozenModel, NetworkChoice):
    """All of them; those of the last class come first."""

    skip: Annotated[
        str,
        Option(
            N_("What the network starts from"),
            N_(
                "The network learns what a simple method misses; untrained it is that method. With "
                "weights to begin from, the default is what they were trained with."
            ),
            choices=SKIPS,
        ),
    ] = "auto"
    global_skip: Annotated[
        bool | None,
        Option(
            N_("Global skip"),
            N_("Older name of model.skip: true means bicubic, false none."),
            asked="never",
            none=N_("as model.skip says"),
        ),
    ] = None


def model_parameters(model: ModelAnswers) -> dict[str, Any]:
    """Return every parameter of the chosen model: decided, of the weights, the size, or default.

    Raises:
        UsageError: there is no such model, size or file of weights, or a parameter is wrong.
    """
    chosen = card(model.name or "")
    base = size_parameters(chosen, model.size) if model.size else {}
    if model.weights:
        params = weights_file.describe(expand(model.weights)).params
        base = base | saved_parameters(chosen, params)
    return resolve_parameters(chosen, {**base, **model.params})
