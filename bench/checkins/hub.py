"""The hub of the bench: `python -m checkins.hub FOLDER DATABASE` serves it as `edgewright hub up` does.

It prints its port. Its devices are told to come once a day, whatever they do: where a hub under load stretches that,
every order changes, and it does so at most once in the time between two check-ins. So it happens before anything is
measured.
"""

from __future__ import annotations

import sys
from pathlib import Path

from edgewright.contract.order import MAX_POLL_S
from edgewright.hub.settings import Settings
from edgewright.hub.web.server import serve

if __name__ == "__main__":
    serve(
        Settings(dir=Path(sys.argv[1]), database_url=sys.argv[2], poll_s=MAX_POLL_S),
        host="127.0.0.1",
        port=0,
        ready=lambda address: print(address.rpartition(":")[2], flush=True),
    )
