"""Weights by name, read from the files in which people publish them."""

import errno
from collections.abc import Iterable, Mapping
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

NESTS = (
    "params_ema", "model_ema", "ema", "params", "state_dict", "model_state_dict", "weights",
    "model", "network", "net",
)  # fmt: skip
"""Under which of these keys, the first that is there, checkpoints keep their weights: averaged ones
where there are any. One may lie within another."""
MOST_KEYS = 8
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
        if error.errno in (None, errno.EINVAL):  # as torch says that a file ends too early
            raise _no_weights(source) from None
        raise UsageError(
            _("{path} cannot be read: {reason}", path=source, reason=reason_of(error))
        ) from None
    except Exception:  # which one depends on where the file is damaged
        raise _no_weights(source) from None
    while nest := next((name for name in NESTS if isinstance(found.get(name), Mapping)), None):
        found = found[nest]
    weights = {
        str(name): torch.as_tensor(value)
        for name, value in found.items()
        if isinstance(value, Tensor | np.ndarray)
    }
    if not weights:
        raise _no_weights(source, list(map(str, found)))
    while wrapper := next((one for one in WRAPPERS if _all_begin(weights, one)), None):
        weights = without_prefix(weights, wrapper)
    return weights


def _all_begin(names: Iterable[str], beginning: str) -> bool:
    return all(name.startswith(beginning) for name in names)


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


def _no_weights(source: Path, keys: list[str] | None = None) -> UsageError:
    if keys:
        return UsageError(
            _("{path} holds no weights by name, but: {keys}",
              path=source, keys=", ".join(keys[:MOST_KEYS])),
            _("Weights may lie under one of: {nests}", nests=", ".join(NESTS)),
        )  # fmt: skip
    return UsageError(
        _("{path} holds no weights by name that can be read safely", path=source),
        _(
            "Supported: .pth and .pt with tensors only, .safetensors and .npz, each named as what "
            "it is. A file that was copied in part, or holds Python objects, is refused too."
        ),
    )
