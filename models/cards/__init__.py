"""What the built-in models say of themselves: one card in a file of its own, without torch."""

from srwizard.models.card import ModelCard
from srwizard.models.cards import (
    ddpm,
    edsr,
    flow_matching,
    fno2d,
    galerkin_transformer,
    hat,
    hinote,
    m2no2d,
    mwt2d,
    rcan,
    remd,
    resshift,
    sr3,
    srno,
    swin_transformer,
    swinir,
    unet2d,
)

BUILT_IN: tuple[ModelCard, ...] = (
    fno2d.CARD,
    swinir.CARD,
    edsr.CARD,
    rcan.CARD,
    unet2d.CARD,
    swin_transformer.CARD,
    hat.CARD,
    galerkin_transformer.CARD,
    mwt2d.CARD,
    m2no2d.CARD,
    srno.CARD,
    hinote.CARD,
    ddpm.CARD,
    sr3.CARD,
    resshift.CARD,
    remd.CARD,
    flow_matching.CARD,
)
"""In the order of the menu: standard models, then diffusion models."""
