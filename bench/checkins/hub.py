"""The hub of the bench: `python -m checkins.hub FOLDER` serves it as `edgewright hub up` does and prints its port."""

from __future__ import annotations

import sys
from pathlib import Path

from edgewright.hub.settings import Settings
from edgewright.hub.web.server import serve

if __name__ == "__main__":
    serve(
        Settings(dir=Path(sys.argv[1]), database_url=""),
        host="127.0.0.1",
        port=0,
        ready=lambda address: print(address.rpartition(":")[2], flush=True),
    )
