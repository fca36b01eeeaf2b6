"""A convolutional network as an ONNX graph that takes any batch and any size."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from srwizard.base.errors import SrwizardError, UsageError
from srwizard.base.i18n import translate as _

CONVOLUTIONAL = ("EDSR", "RCAN", "UNet2d")
"""Others depend on the size of the field (attention, Fourier), or draw noise (diffusion)."""
OPSET = 18
TOLERANCE = 1e-4
"""Largest difference to torch, as a share of the largest output."""


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


def missing_package(error: ImportError) -> UsageError:
    """Return the error of an optional package that is not installed."""
    return UsageError(
        _("the package {name} is not installed", name=error.name),
        _('Install what export needs: pip install "srwizard[export]"'),
    )


def write_onnx(network: nn.Module, channels: int, path: Path) -> None:
    """Write the graph `lr [batch, C, h, w] -> sr [batch, C, H, W]` and compare it with torch.

    Args:
        network: in evaluation mode, on the CPU.
        channels: of its input.
        path: the file to write.

    Raises:
        SrwizardError: the graph does not compute what torch does.
    """
    sizes = {0: "batch", 2: "h", 3: "w"}
    with _quiet():
        torch.onnx.export(
            network,
            (torch.randn(2, channels, 12, 14),),
            str(path),
            input_names=["lr"],
            output_names=["sr"],
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            dynamic_shapes={"lr": dict.fromkeys(sizes, torch.export.Dim.DYNAMIC)},
        )
    _rename_sizes(path)
    _compare(network, channels, path)


def _rename_sizes(path: Path) -> None:
    """Call the free sizes batch, h, w and H, W, whatever the exporter calls them."""
    import onnx

    model = onnx.load(path)
    del model.graph.value_info[:]  # intermediate shapes, in the exporter's names
    ends = ((model.graph.input[0], "h", "w"), (model.graph.output[0], "H", "W"))
    for value, rows, columns in ends:
        sides = value.type.tensor_type.shape.dim
        sides[0].dim_param, sides[2].dim_param, sides[3].dim_param = "batch", rows, columns
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _compare(network: nn.Module, channels: int, path: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    for batch, height, width in ((1, 9, 17), (3, 16, 10)):
        lr = torch.randn(batch, channels, height, width, generator=generator)
        with torch.inference_mode():
            expected = network(lr).numpy()
        found = session.run(None, {"lr": lr.numpy()})[0]
        if found.shape != expected.shape or not (
            abs(found - expected).max() <= TOLERANCE * abs(expected).max()
        ):
            raise SrwizardError(
                _("the ONNX graph computes something else than torch for a field of {shape}",
                  shape=[height, width]),
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
