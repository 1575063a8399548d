"""``python -m accel.bench.peers [LIBRARY…]``: check every rival that is installed here."""

from __future__ import annotations

import sys

from accel.bench import peers
from accel.bench.peers.checking import complaints


def main(names: list[str]) -> int:
    """Print a line per operation and library; return 1 if an answer was wrong."""
    wrong = 0
    for name in names or peers.MODULES:
        module = peers.module(name)
        if module.available():
            print(module.available())
            continue
        print(f"{name} {module.version()}: {module.hold()}")
        for dtype in ("float32", "float64"):
            for operation, found in complaints(name, dtype).items():
                wrong += len(found)
                print(f"  {operation} {dtype}: {'; '.join(found) or 'right'}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
