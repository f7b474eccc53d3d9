"""One line for each figure, as DESIGN §10 says."""

from __future__ import annotations

import json


def figure(
    name: str,
    ours: float,
    peer: float,
    peer_name: str,
    unit: str,
    *,
    bound: str = "",
    holds: bool = True,
    **more: object,
) -> bool:
    """Print the line; says whether the bound holds."""
    line = {
        "figure": name,
        "ours": round(ours, 4),
        "peer": round(peer, 4),
        "peer_name": peer_name,
        "ratio": round(ours / peer, 3) if peer else None,
        "unit": unit,
        "bound": bound or None,
        "holds": holds,
        **more,
    }
    print(json.dumps(line), flush=True)
    return holds
