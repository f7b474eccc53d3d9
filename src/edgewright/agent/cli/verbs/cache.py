"""`edgewright-agent cache`: one device of a site keeps blobs for the others."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgewright.agent.cli import folder
from edgewright.agent.cli.verbs.run import add_introduction


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the verb."""
    verb = verbs.add_parser("cache", help="keep blobs for the devices of this site, as a device of its own")
    verb.set_defaults(act=act)
    folder.add_dir(verb, "the cache's folder, no agent's")
    add_introduction(verb, "cache")
    verb.add_argument("--host", default="0.0.0.0", help="where to listen (everywhere)")  # noqa: S104
    verb.add_argument("--port", type=int, default=8765, help="at which port (8765)")
    verb.add_argument("--max-bytes", type=int, default=20 * 1024**3, help="the most disk to use (20 GiB)")


def act(chosen: argparse.Namespace) -> int:
    """Keep blobs for the devices of a site until SIGTERM or SIGINT."""
    from edgewright.agent.cache.command import serve
    from edgewright.agent.cli.wiring import Introduction, identify, patience_of
    from edgewright.agent.disk import settings
    from edgewright.agent.link import device_time
    from edgewright.agent.system import Stop

    root: Path = chosen.dir.absolute()
    with folder.working_in(root):
        stop = Stop()
        stop.listen()
        kept = settings.load(root)
        said = Introduction(hub=chosen.hub, claim=chosen.claim, name=chosen.name)
        clock = device_time(root)
        patience = patience_of(kept, clock)
        _, link = identify(root, kept, said, clock.now, patience)
        return serve(chosen, root, link, patience, kept, stop)
