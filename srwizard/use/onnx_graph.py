"""A prediction with a convolutional network as an ONNX graph, in physical units."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from srwizard.base.errors import SrwizardError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.use.bundle import missing_package
from srwizard.use.predictor import Predictor

CONVOLUTIONAL = ("EDSR", "RCAN", "UNet2d")
"""Others depend on the size of the field (attention, Fourier), or draw noise (diffusion)."""
OPSET = 18
TOLERANCE = 1e-4
"""Largest difference to torch, as a share of the range of the output."""


def check_model(name: str) -> None:
    """Refuse a model that has no ONNX graph of any size.

    Raises:
        UsageError: it has none, or the packages for it are missing.
    """
    if name not in CONVOLUTIONAL:
        raise UsageError(
            _("{model} cannot be written as ONNX: only the convolutional models can, {known}",
              model=name, known=", ".join(CONVOLUTIONAL)),
            _("Leave --onnx out; the bundle in safetensors holds every model."),
        )  # fmt: skip
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # type: ignore[import-untyped, unused-ignore]  # noqa: F401
    except ImportError as error:
        raise missing_package(error) from None


def write_onnx(predictor: Predictor, path: Path) -> None:
    """Write the graph `lr, nearest [batch, C, h, w] -> sr [batch, C, H, W]`; compare it with torch.

    Args:
        predictor: its network in evaluation mode, on the CPU.
        path: the file to write.

    Raises:
        SrwizardError: the graph does not compute what torch does.
    """
    sizes = {0: "batch"} if predictor.size is not None else {0: "batch", 2: "h", 3: "w"}
    free = dict.fromkeys(sizes, torch.export.Dim.DYNAMIC)
    with _quiet():
        torch.onnx.export(
            predictor,
            _example(predictor, 2, predictor.size or (12, 14)),
            str(path),
            input_names=["lr", "nearest"],
            output_names=["sr"],
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            dynamic_shapes={"lr": free, "nearest": free},
        )
    _rename_sizes(path, list(sizes))
    _compare(predictor, path)


def _example(predictor: Predictor, batch: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return fields `[batch, C, h, w]` as they may be, with a gap, and what fills that."""
    height, width = size
    mean, std = (part.mean(dim=(1, 2), keepdim=True) for part in (predictor.mean, predictor.std))
    generator = torch.Generator().manual_seed(0)
    lr = mean + std * torch.randn(batch, len(mean), height, width, generator=generator)
    lr[..., 0, -1] = torch.nan
    nearest = torch.arange(height * width).reshape(height, width).repeat(batch, len(mean), 1, 1)
    nearest[..., 0, -1] = width - 2
    return lr, nearest


def _rename_sizes(path: Path, sizes: list[int]) -> None:
    """Call the free sizes batch, h, w and H, W, whatever the exporter calls them."""
    import onnx

    model = onnx.load(path)
    del model.graph.value_info[:]  # intermediate shapes, in the exporter's names
    ends = [(value, ("batch", "", "h", "w")) for value in model.graph.input]
    ends.append((model.graph.output[0], ("batch", "", "H", "W")))
    for value, names in ends:
        for size in sizes:
            value.type.tensor_type.shape.dim[size].dim_param = names[size]
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _compare(predictor: Predictor, path: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    scale = float(predictor.spread.max())
    for batch, size in ((1, (9, 17)), (3, (16, 10))):
        lr, nearest = _example(predictor, batch, predictor.size or size)
        with torch.inference_mode():
            expected = predictor(lr, nearest).numpy()
        found = session.run(None, {"lr": lr.numpy(), "nearest": nearest.numpy()})[0]
        allowed = TOLERANCE * max(scale, float(np.ptp(expected)))
        if found.shape != expected.shape or not abs(found - expected).max() <= allowed:
            raise SrwizardError(
                _("the ONNX graph and torch give different results for a field of {shape}",
                  shape=list(lr.shape[-2:])),
                _("Please report it, with the versions of torch and onnxruntime."),
            )  # fmt: skip


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what the exporter says of its own work."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
