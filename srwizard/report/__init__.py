"""The report of a run: figures and one self-contained HTML page."""

import logging

# Where it cannot keep its settings it says so, in English, and goes on without.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
