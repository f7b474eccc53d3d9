"""What optimisation gains, against fp32 on ONNX Runtime and the plain tools by hand: see bench/optimizations.

`bench/optimize.py int8` runs one kind alone. The models are trained at first, which takes some four minutes, and kept
in EDGEWRIGHT_ZOO (a folder of the system's cache otherwise). Exit 0 if all bounds hold, 1 if one does not.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

KINDS = ("int8", "trained", "search")


def main() -> int:
    """Run the kinds that the command line names, or all."""
    asked = [word for word in sys.argv[1:] if not word.startswith("-")] or KINDS
    for kind in asked:
        if kind not in KINDS:
            print(f"error: no figures '{kind}'; there are {', '.join(KINDS)}", file=sys.stderr)
            return 2
    folder = Path(os.environ.get("EDGEWRIGHT_ZOO") or Path.home() / ".cache" / "edgewright-zoo")
    held = [import_module(f"optimizations.{kind}").main(folder) for kind in asked]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
