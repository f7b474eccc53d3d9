"""What check-ins cost the hub, with 100,000 devices that hold sessions, and how soon 10,000 are back after an outage.

The hub is the real one, in a process of its own under uvicorn as `edgewright hub up` runs it, on SQLite, or with
`--postgresql` on a PostgreSQL that is started for it (see databases.py). The client is
another process; processor time is the server's alone, with all that it does beside (heartbeats, events, job queues).
A request is a whole check-in of an agent: token, report, tag, life and turn. 90 % are unchanged (304), 10 % come from
devices whose order is half its life old and get a freshly signed one. The peers are asked the same bytes in the same
run, by the same client, under the same uvicorn settings: bare ASGI, Litestar and FastAPI, each of which looks the
token up in a dictionary and answers 304. Ours answers in uvicorn's protocol, before any ASGI call.
Left out: TLS, which a proxy in front would bear, and the network.

`bench/checkin.py [steady] [outage] [--quick] [--postgresql]`; --quick takes a tenth of the devices.
Exit 0 if all bounds hold, else 1.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agents.figures import figure
from checkins.processes import BENCH, Server, running
from checkins.seeded import fill
from databases import Fresh, databases

KINDS = ("steady", "outage")
CONNECTIONS = 64
FLOOD_S, STEADY_S = 8.0, 10.0
POLL_S = 60.0
RATIO, P99_MS, MEMORY_MB, BACK_S = 0.5, 20.0, 40.0, 60.0
PEERS = {
    "bare": "bare ASGI with a dictionary",
    "litestar": "Litestar with a dictionary",
    "fastapi": "FastAPI with a dictionary",
}


class Client:
    """The client's process, which does what it is told."""

    def __init__(self, module: str, port: int, devices: int) -> None:
        command = [sys.executable, "-m", module, str(port), str(devices), str(CONNECTIONS)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=BENCH)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def ask(self, **words: Any) -> dict[str, Any]:
        """Its answer to one command."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def main() -> int:
    """Print one JSON line per figure; 1 if a bound does not hold."""
    words = sys.argv[1:]
    kinds = [word for word in words if not word.startswith("-")] or list(KINDS)
    if unknown := set(kinds) - set(KINDS):
        print(f"error: no figures '{unknown.pop()}'; there are {', '.join(KINDS)}", file=sys.stderr)
        return 2
    scale = 10 if "--quick" in words else 1
    with databases(postgresql="--postgresql" in words) as fresh:
        holds = [steady(100_000 // scale, fresh)] if "steady" in kinds else []
        holds += [outage(10_000 // scale, fresh)] if "outage" in kinds else []
    return 0 if all(holds) else 1


def steady(devices: int, fresh: Fresh) -> bool:
    """Requests for each CPU-second, against the peers; latencies; memory."""
    base_mb = base(devices // 10, fresh)
    with hub_of(devices, 0, fresh) as hub, Client("checkins.client", hub.port, devices) as client:
        client.ask(do="first")
        client.ask(do="first")  # whose order was changed meanwhile has the new one
        ours, answers, wall_rate = flood(hub, client)
        latencies = client.ask(do="steady", s=STEADY_S, rate=wall_rate / 2)
        memory_mb = (hub.rss_mb() - base_mb) * 100_000 / (devices - devices // 10)
    holds = [cost(ours, answers, devices), waiting(latencies, wall_rate / 2), memory(memory_mb, base_mb, devices)]
    figure(
        f"devices that one core serves at a poll every {POLL_S:.0f} s",
        ours * POLL_S,
        devices,
        "devices of this run",
        "devices",
    )
    return all(holds)


def base(devices: int, fresh: Fresh) -> float:
    """Resident memory of a hub with a tenth of the devices, which has done all that the other one does."""
    with hub_of(devices, 0, fresh) as hub, Client("checkins.client", hub.port, devices) as client:
        client.ask(do="first")
        client.ask(do="first")
        client.ask(do="flood", s=FLOOD_S)
        return hub.rss_mb()


def cost(ours: float, answers: dict[str, int], devices: int) -> bool:
    """Ours beside each peer's; the bound is on the bare one."""
    holds = True
    for name, words in PEERS.items():
        with (
            running("checkins.peers", name, str(devices)) as peer,
            Client("checkins.client", peer.port, devices) as client,
        ):
            theirs, _, _ = flood(peer, client)
        is_bound = name == "bare"
        is_held = not is_bound or ours >= RATIO * theirs
        bound = f">= {RATIO} x" if is_bound else ""
        figure(
            "check-ins for each CPU-second of the server",
            ours,
            theirs,
            words,
            "requests/CPU-s",
            bound=bound,
            holds=is_held,
            statuses=answers,
        )
        holds &= is_held
    return holds


def waiting(latencies: dict[str, Any], rate: float) -> bool:
    """The slowest of a hundred at half of the hub's load; the bare peer's tells what the machine adds."""
    p99_ms = latencies["p99_ms"]
    with running("checkins.peers", "bare", "1000") as peer, Client("checkins.client", peer.port, 1000) as client:
        theirs = client.ask(do="steady", s=STEADY_S, rate=rate)
    return figure(
        f"a check-in's answer at half load ({rate:.0f} a second), p99",
        p99_ms,
        theirs["p99_ms"],
        PEERS["bare"],
        "ms",
        bound=f"< {P99_MS:.0f}",
        holds=p99_ms < P99_MS and set(latencies["statuses"]) <= {"200", "304"},
        p50_ms=round(latencies["p50_ms"], 2),
        max_ms=round(latencies["max_ms"], 2),
    )


def memory(memory_mb: float, base_mb: float, devices: int) -> bool:
    """What 100,000 devices that have all checked in take, from what nine tenths of this run's add to the rest.

    In smaller runs that is the noise of a heap, scaled up: there is no bound on it.
    """
    is_bound = devices >= 100_000
    return figure(
        "resident memory for each 100,000 devices more",
        memory_mb,
        MEMORY_MB,
        "the bound",
        "MB",
        bound=f"<= {MEMORY_MB:.0f}" if is_bound else "",
        holds=memory_mb <= MEMORY_MB or not is_bound,
        base_mb=round(base_mb, 1),
        devices=devices,
    )


def outage(devices: int, fresh: Fresh) -> bool:
    """All of them come back at once, with new sessions and changed reports."""
    with hub_of(devices, devices, fresh) as hub, Client("checkins.returning", hub.port, devices) as client:
        spent_s = hub.cpu_s()
        result = client.ask()
        spent_s = hub.cpu_s() - spent_s
    bad = {name: count for name, count in result["statuses"].items() if name.split()[1] not in ("200", "429")}
    return figure(
        f"{devices:,} devices come back at once: until the last is served",
        result["all_s"],
        BACK_S,
        "the bound",
        "s",
        bound=f"<= {BACK_S:.0f}, no error but 429",
        holds=result["all_s"] <= BACK_S and not bad and result["served"] == devices,
        half_s=round(result["half_s"], 2),
        hub_cpu_s=round(spent_s, 2),
        statuses=result["statuses"],
    )


def flood(server: Server, client: Client) -> tuple[float, dict[str, int], float]:
    """Requests for each CPU-second, answers by status, and requests a second."""
    client.ask(do="flood", s=1.0)
    spent_s = server.cpu_s()
    result = client.ask(do="flood", s=FLOOD_S)
    spent_s = server.cpu_s() - spent_s
    count = sum(result["statuses"].values())
    return count / spent_s, result["statuses"], count / result["wall_s"]


@contextlib.contextmanager
def hub_of(devices: int, keys: int, fresh: Fresh) -> Iterator[Server]:
    """A hub with so many devices."""
    with tempfile.TemporaryDirectory() as folder:
        url = fresh(Path(folder))
        fill(Path(folder), url, devices, keys)
        with running("checkins.hub", folder, url) as hub:
            yield hub


if __name__ == "__main__":
    sys.exit(main())
