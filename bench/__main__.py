"""Run every benchmark but the long ones, or those named: `python -m bench [memory ...]`."""

import pkgutil
import sys
from importlib import import_module

import bench

LONG = ("few_steps", "gpu", "gpu_counts", "guides", "recipes", "zoo")
"""Run by name: `make bench-gpu`, `make bench-recipes`, `make bench-zoo`, or as arguments."""
PARTS = ("reference_forms",)
"""What benchmarks are made of."""


def main(names: list[str]) -> int:
    """Run the benchmarks of these names one after the other; without names, all."""
    known = [
        found.name
        for found in pkgutil.iter_modules(bench.__path__)
        if found.name[0] != "_" and found.name not in PARTS
    ]
    unknown = sorted(set(names) - set(known))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    for name in names or [name for name in known if name not in LONG]:
        print(f"== {name}", flush=True)
        import_module(f"bench.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
