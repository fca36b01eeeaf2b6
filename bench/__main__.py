"""Run every benchmark, or those named: `python -m bench [memory ...] [--quick]`."""

import pkgutil
import sys
from importlib import import_module

import bench


def main(arguments: list[str]) -> int:
    """Run the benchmarks one after the other; each takes the options that begin with `-`."""
    options = [part for part in arguments if part.startswith("-")]
    named = [part for part in arguments if not part.startswith("-")]
    known = [part.name for part in pkgutil.iter_modules(bench.__path__) if part.name[0] != "_"]
    unknown = sorted(set(named) - set(known))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    for name in named or known:
        print(f"== {name}", flush=True)
        import_module(f"bench.{name}").main(options)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
