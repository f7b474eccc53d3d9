"""`python -m edgewright.agent` is `edgewright-agent`."""

from __future__ import annotations

import sys

from edgewright.agent.cli import main

sys.exit(main())
