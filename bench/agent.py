"""What the agent costs and keeps, figure by figure: see bench/agents. `bench/agent.py predict` runs one kind alone.

Exit 0 if all bounds hold, 1 if one does not.
"""

from __future__ import annotations

import sys
from importlib import import_module

KINDS = ("predict", "sockets", "swap", "footprint", "size", "offline")


def main() -> int:
    """Run the kinds that the command line names, or all."""
    asked = [word for word in sys.argv[1:] if not word.startswith("-")] or KINDS
    for kind in asked:
        if kind not in KINDS:
            print(f"error: no figures '{kind}'; there are {', '.join(KINDS)}", file=sys.stderr)
            return 2
    return max(import_module(f"agents.{kind}").main() for kind in asked)


if __name__ == "__main__":
    sys.exit(main())
