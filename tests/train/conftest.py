"""Real processes are many here, and the cores few."""

import os

import torch

# One thread for each test process, and in the processes that it starts, threads that wait
# without spinning: else they keep the cores from each other.
torch.set_num_threads(1)
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
