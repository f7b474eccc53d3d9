"""What rollouts over whole fleets cost, figure by figure: see bench/rollouts. `bench/rollout.py ticks` runs one kind.

`--quick` takes a tenth of the fleet, `--postgresql` a PostgreSQL that is started here (see databases.py).
Exit 0 if all bounds hold, 1 if one does not.
"""

from __future__ import annotations

import sys
from importlib import import_module

from databases import databases

KINDS = ("planning", "ticks")


def main() -> int:
    """Run the kinds that the command line names, or all."""
    is_quick = "--quick" in sys.argv
    asked = [word for word in sys.argv[1:] if not word.startswith("-")] or KINDS
    for kind in asked:
        if kind not in KINDS:
            print(f"error: no figures '{kind}'; there are {', '.join(KINDS)}", file=sys.stderr)
            return 2
    with databases(postgresql="--postgresql" in sys.argv) as fresh:
        return max(import_module(f"rollouts.{kind}").main(is_quick, fresh) for kind in asked)


if __name__ == "__main__":
    sys.exit(main())
