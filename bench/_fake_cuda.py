"""Fake CUDA tensors under a torch that was built without CUDA: forward, backward, optimizer.

Their shapes, types and devices are those that a GPU would have; there is nothing behind them. What
torch lacks for it are a few lines of C++. They are compiled, and loaded, when this module is
imported, which has to be before torch: torch looks only once whether there is CUDA.
"""

import contextlib
import ctypes
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

SOURCE = Path(__file__).with_suffix(".cpp")


def _load() -> None:
    spec = find_spec("torch")
    assert spec is not None and spec.origin is not None
    home = Path(spec.origin).parent
    if (home / "lib" / "libtorch_cuda.so").exists():
        return
    assert "torch" not in sys.modules, "import bench._fake_cuda before torch"
    with tempfile.TemporaryDirectory() as directory:
        library = Path(directory) / "fake_cuda.so"
        subprocess.run(
            [
                *("g++", "-std=c++20", "-shared", "-fPIC", "-O0", str(SOURCE), "-o", str(library)),
                *(f"-I{home / 'include'}", f"-L{home / 'lib'}", f"-Wl,-rpath,{home / 'lib'}"),
                *("-Wl,--no-as-needed", "-lc10", "-ltorch_cpu"),
            ],
            check=True,
        )
        ctypes.CDLL(str(library))


_load()


@contextlib.contextmanager
def card_with_bfloat16() -> Iterator[None]:
    """Let torch take the card that can be named for one that is there, and computes in bfloat16."""
    nothing: dict[str, Any] = {
        "Event": mock.MagicMock,
        "Stream": mock.MagicMock,
        "stream": mock.MagicMock(),
    }
    import torch

    with (
        mock.patch.multiple("torch.cuda", **nothing, current_stream=mock.MagicMock()),
        mock.patch.object(torch.Tensor, "record_stream", lambda *_parts: None),
        mock.patch("torch.cuda.is_available", lambda: True),
        mock.patch("torch.cuda.is_bf16_supported", lambda **_named: True),
        mock.patch("torch.cuda.amp.common.amp_definitely_not_available", lambda: False),
    ):
        yield
