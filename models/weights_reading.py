"""Weights by name, read from the files in which people publish them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.models.reference_names import without_prefix

NESTS = ("params_ema", "params", "state_dict", "weights", "model")
"""Under which of these keys, the first that is there, checkpoints keep their weights."""
WRAPPERS = ("module.", "_orig_mod.", "netG.", "net_g.", "model.")
"""What stands before every name where the network was saved within another module."""


def read_weights(source: Path) -> dict[str, Tensor]:
    """Read weights by name; no code in the file is run.

    Args:
        source: .pth or .pt, also nested as in `NESTS`; .safetensors; .npz, also with names that
            begin with "weight:", beside which other arrays may stand.

    Raises:
        UsageError: it cannot be read, or there are no weights in it.
    """
    try:
        found = _content(source)
    except OSError as error:
        raise UsageError(
            _("{path} cannot be read: {reason}", path=source, reason=reason_of(error))
        ) from None
    except Exception:  # which one depends on where the file is damaged
        raise _no_weights(source) from None
    for nest in NESTS:
        if isinstance(found.get(nest), Mapping):
            found = found[nest]
            break
    weights = {
        str(name): torch.as_tensor(value)
        for name, value in found.items()
        if isinstance(value, Tensor | np.ndarray)
    }
    if not weights:
        raise _no_weights(source)
    for wrapper in WRAPPERS:
        if all(name.startswith(wrapper) for name in weights):
            weights = without_prefix(weights, wrapper)
    return weights


def _content(source: Path) -> Mapping[str, Any]:
    match source.suffix:
        case ".safetensors":
            return load_file(source)
        case ".npz":
            with np.load(source, allow_pickle=False) as arrays:
                marked = [name for name in arrays.files if name.startswith("weight:")]
                return {name.removeprefix("weight:"): arrays[name] for name in marked or arrays}
    found = torch.load(source, map_location="cpu", weights_only=True)
    if not isinstance(found, Mapping):
        raise ValueError
    return found


def _no_weights(source: Path) -> UsageError:
    return UsageError(
        _("{path} holds no weights by name that can be read safely", path=source),
        _("Supported: .pth and .pt with tensors only, .safetensors and .npz."),
    )
