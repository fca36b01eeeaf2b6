"""On PYTHONPATH, this lets torch pass for built for the CUDA that STAND_IN_TORCH_CUDA names."""

import os

from srwizard.hardware import torch_build

BUILD = torch_build.TorchBuild(os.environ["STAND_IN_TORCH_CUDA"] or None)
torch_build.installed = lambda: BUILD
