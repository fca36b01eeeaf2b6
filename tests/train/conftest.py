"""Real processes are many here, and the cores few."""

import torch

torch.set_num_threads(1)  # whatever the environment of the tests says
