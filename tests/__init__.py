"""Tests of srwizard; here stands what holds before any library is loaded."""

import os
import sys

# Several tests run at a time: one thread for each process that is not told otherwise, and threads
# that do not spin while they wait, or they would keep each other waiting.
# Benchmarks, which make their data with what stands here, measure what users have.
if "pytest" in sys.modules:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
