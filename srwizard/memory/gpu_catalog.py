"""The memory of common GPUs, for predictions where the GPU itself is not at hand. No torch.

Figures are the vendors' nominal sizes in GiB; what NVML reports as total is a few percent less
where error correction or the driver take their share.
"""

import difflib
import re
from collections.abc import Mapping

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _

GIB = 2**30
UNITS = {"M": 1e6, "MB": 1e6, "MIB": 2**20, "G": 1e9, "GB": 1e9, "GIB": 2**30}
"""Bytes of a unit as people write it on the command line."""
LARGEST_SIZE = 1e9
"""In whatever unit: more is a slip of the finger."""

CAPACITY_GIB = {
    "GTX 1080": 8,
    "GTX 1080 Ti": 11,
    "RTX 2060": 6,
    "RTX 2070": 8,
    "RTX 2080": 8,
    "RTX 2080 Ti": 11,
    "RTX 3060": 12,
    "RTX 3060 Ti": 8,
    "RTX 3070": 8,
    "RTX 3080": 10,
    "RTX 3080 Ti": 12,
    "RTX 3090": 24,
    "RTX 3090 Ti": 24,
    "RTX 4060": 8,
    "RTX 4060 Ti": 8,
    "RTX 4070": 12,
    "RTX 4070 Ti": 12,
    "RTX 4080": 16,
    "RTX 4090": 24,
    "RTX 5070": 12,
    "RTX 5070 Ti": 16,
    "RTX 5080": 16,
    "RTX 5090": 32,
    "Titan RTX": 24,
    "Titan V": 12,
    "Quadro RTX 5000": 16,
    "Quadro RTX 6000": 24,
    "Quadro RTX 8000": 48,
    "RTX A2000": 6,
    "RTX A4000": 16,
    "RTX A5000": 24,
    "RTX A6000": 48,
    "RTX 4000 Ada": 20,
    "RTX 5000 Ada": 32,
    "RTX 6000 Ada": 48,
    "RTX PRO 6000": 96,
    "P100": 16,
    "P100 12GB": 12,
    "V100": 16,
    "V100 32GB": 32,
    "T4": 16,
    "A10": 24,
    "A16": 16,
    "A30": 24,
    "A40": 48,
    "A100": 40,
    "A100 80GB": 80,
    "A800": 80,
    "L4": 24,
    "L40": 48,
    "L40S": 48,
    "H20": 96,
    "H100": 80,
    "H100 NVL": 94,
    "H200": 141,
    "H800": 80,
    "GH200 480GB": 96,
    "GH200 144G HBM3e": 144,
    "B200": 180,
}
VENDOR_WORDS = ("nvidia", "geforce", "tesla", "quadro")
"""Left out when names are compared: NVML says "NVIDIA GeForce RTX 3090"."""
FORMS = r"sxm\d*|pcie|hbm\d+e?|generation|blackwell|(workstation|server) edition|max-q"
"""How a GPU is mounted, which NVML adds to some names: "NVIDIA A100-SXM4-80GB"."""


def capacity(text: str) -> int:
    """Return the memory in bytes of a GPU by name ("RTX 3090"), or of a size ("24GiB", "24 GB").

    Raises:
        UsageError: neither a size nor a GPU that is known; names those that are spelled like it.
    """
    size = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([MG](?:i?B)?)\s*", text, re.IGNORECASE)
    if size and 0 < float(size[1]) < LARGEST_SIZE:
        return int(float(size[1]) * UNITS[size[2].upper()])
    known = {_plain(name): name for name in CAPACITY_GIB}
    wanted = _plain(text)
    if wanted in known:
        return CAPACITY_GIB[known[wanted]] * GIB
    as_nvml_says = _as_nvml_says(text, known)
    if as_nvml_says is not None:
        return as_nvml_says * GIB
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
    if near:
        hint = _("Similar: {names}.", names=", ".join(known[name] for name in near))
    else:
        hint = _("Known: {names}.", names=", ".join(CAPACITY_GIB))
    raise UsageError(
        _("There is no GPU {name} in the catalogue.", name=repr(text)),
        hint + " " + _("You can also give a size: 24GiB."),
    )


def _as_nvml_says(text: str, known: Mapping[str, str]) -> int | None:
    """Return the GiB of a name with form, size or part: "A100-SXM4-40GB MIG 1g.5gb" has 5."""
    bare = re.sub(rf"\b({FORMS})\b", " ", text, flags=re.IGNORECASE)
    sizes = re.findall(r"(?<![\w.])(?:\d+g\.)?(\d+)gb?\b", bare, re.IGNORECASE)
    model = re.sub(r"\bMIG\b.*|(?<![\w.])\d+gb?\b", " ", bare, flags=re.IGNORECASE)
    name = known.get(_plain(model))
    if name is None:
        return None
    return int(sizes[-1]) if sizes else CAPACITY_GIB[name]


def _plain(name: str) -> str:
    """Return a name without vendor, case, spaces and hyphens, as it is compared."""
    words = re.split(r"[\s_-]+", name.strip().lower())
    return "".join(word for word in words if word not in VENDOR_WORDS)
