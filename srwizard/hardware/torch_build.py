"""What the installed torch was built for, read in its files: to import it takes seconds."""

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TorchBuild:
    """A build of torch; `cuda` is the version of CUDA it was made for, None: for none."""

    cuda: str | None

    @property
    def cuda_major(self) -> int:
        """The major version of its CUDA, 0 without."""
        return major(self.cuda)


def installed() -> TorchBuild | None:
    """Return the torch that would be imported, None where its files do not tell."""
    try:
        found = importlib.util.find_spec("torch")
        place = found.origin if found is not None else None
        text = Path(place or "").with_name("version.py").read_text(encoding="utf-8")
    except (ImportError, OSError, ValueError):
        return None
    said = re.search(r"^cuda\b[^=\n]*=\s*(?:None|['\"]([\d.]+)['\"])\s*$", text, re.MULTILINE)
    return TorchBuild(said[1]) if said is not None else None


def major(version: str | None) -> int:
    """Return the first number of a version, 0 where there is none."""
    number = re.match(r"\d+", version or "")
    return int(number[0]) if number is not None else 0
