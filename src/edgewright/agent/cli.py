"""`edgewright-agent run|bundle|cache|status|tuf|version`: the device's own command."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgewright import __version__
from edgewright.contract.errors import Conflict, EdgewrightError, UsageError

if TYPE_CHECKING:
    from edgewright.agent.disk import Identity, Settings
    from edgewright.agent.link import Link
    from edgewright.agent.supervisor import Supervisor
    from edgewright.agent.system import Stop

OPTIONS = ("poll_s", "window_s", "bandwidth_bytes_s", "is_metered", "cache")


class FolderInUse(Conflict):
    """Another agent works on this folder."""

    code = "folder_in_use"
    hint = "Stop the other agent, or give this one a folder of its own."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0, or the error's (see contract/errors.py)."""
    chosen = _parser().parse_args(arguments)
    try:
        code: int = chosen.act(chosen)
    except EdgewrightError as error:
        print(f"error: {error.message}", file=sys.stderr)  # noqa: T201
        if error.hint:
            print(f"help: {error.hint}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return code


def run(chosen: argparse.Namespace) -> int:
    """Run the agent until SIGTERM or SIGINT."""
    from edgewright.agent.system import Stop, logs

    root: Path = chosen.dir.absolute()
    with _working_in(root):
        stop = Stop()
        stop.listen()
        logs.start()
        _assemble(root, chosen, stop).run()
    return 0


def bundle(chosen: argparse.Namespace) -> int:
    """Install from a bundle, while no other agent works on the folder."""
    from edgewright.agent.bundle.command import import_bundle

    root: Path = chosen.dir.absolute()
    if not root.is_dir():
        raise UsageError(f"there is no folder {root}", field="dir")
    with _working_in(root):
        return import_bundle(chosen, root)


def cache(chosen: argparse.Namespace) -> int:
    """Keep blobs for the devices of a site until SIGTERM or SIGINT."""
    from edgewright.agent.cache.command import serve
    from edgewright.agent.disk import settings
    from edgewright.agent.link import SignedTime
    from edgewright.agent.system import Stop

    root: Path = chosen.dir.absolute()
    with _working_in(root):
        stop = Stop()
        stop.listen()
        kept = settings.load(root)
        _, link = _identify(root, chosen, kept, SignedTime(root, time.time, time.monotonic).now)
        return serve(chosen, root, link, kept, stop)


def status(chosen: argparse.Namespace) -> int:
    """Say what is on this device."""
    from edgewright.agent.status import read_status, to_text

    found = read_status(chosen.dir)
    text = msgspec.json.encode(found).decode() if chosen.json else to_text(found)
    print(text)  # noqa: T201
    return 0


def tuf(chosen: argparse.Namespace) -> int:
    """Use a TUF repository by hand."""
    from edgewright.agent.tuf import run

    return run(chosen)


def version(_chosen: argparse.Namespace) -> int:
    """Say which agent this is."""
    print(f"edgewright-agent {__version__}")  # noqa: T201
    return 0


def _assemble(root: Path, chosen: argparse.Namespace, stop: Stop) -> Supervisor:
    """Wire the agent, by hand; enrols it first where that is still to be done."""
    from edgewright.agent.disk import PaceMeter, Writer
    from edgewright.agent.install import apply_delta, timed
    from edgewright.agent.link import BlobLine, Chance, Exchange, NearFirst, Patience, Schedule, SignedTime, Throttle
    from edgewright.agent.machine import Equipment
    from edgewright.agent.supervisor import Supervisor
    from edgewright.agent.system import facts
    from edgewright.agent.trial import Workers

    settings = _settings(root, chosen)
    signed_time, chance = SignedTime(root, time.time, time.monotonic), Chance()
    identity, link = _identify(root, chosen, settings, signed_time.now)
    throttle = Throttle(settings.bandwidth_bytes_s, time.monotonic, stop.wait)
    patience = Patience(settings.timeout_s, settings.min_bytes_s, time.monotonic)
    meter = PaceMeter(root, is_metered=settings.is_metered)
    line = BlobLine(link, throttle=throttle, patience=patience, measured=meter.downloaded)
    check_ins = Schedule(time.monotonic, chance, settings.longest_wait_s)
    equipment = Equipment(
        root=root,
        settings=settings,
        source=NearFirst(settings.cache, line, throttle=throttle, patience=patience) if settings.cache else line,
        patch=timed(apply_delta, meter.applied, time.monotonic),
        trials=Workers(),
        reports=Writer(root / "spool", "agent", settings.spool_max_bytes),
        measure=lambda: facts.measure(root, settings.hardware_ids),
        clock=signed_time.now,
        monotonic=time.monotonic,
        is_pausing=lambda: stop.is_requested or check_ins.is_due(),
        pace=lambda: meter.pace,
    )
    exchange = Exchange(root, identity, link, settings, signed_time, equipment.reports)
    return Supervisor(exchange, equipment, check_ins, chance=chance, stop=stop)


def _identify(
    root: Path, chosen: argparse.Namespace, settings: Settings, clock: Callable[[], float]
) -> tuple[Identity, Link]:
    """Who this device is, and its way to the hub: from the folder, or by enrolling with the claim."""
    from edgewright.agent.disk import NotEnrolled, load_identity, save_identity
    from edgewright.agent.link import Link, Patience, enrol, load_key
    from edgewright.agent.system import facts

    identity = load_identity(root)
    hub = chosen.hub or (identity.hub if identity else "")
    if not hub or (identity is None and not chosen.claim):
        raise NotEnrolled(f"{root} holds no identity, and {'--claim' if hub else '--hub'} is missing", field="dir")
    key = load_key(root)
    device = identity.device if identity else ""
    patience = Patience(settings.timeout_s, settings.min_bytes_s, time.monotonic)
    link = Link(hub, key, device=device, clock=clock, patience=patience, talk_s=settings.talk_s)
    if identity is None:
        name = chosen.name or platform.node()
        identity = enrol(
            root,
            hub=hub,
            claim=chosen.claim,
            name=name,
            key=key,
            link=link,
            measure=lambda: facts.measure(root, settings.hardware_ids),
        )
        link.close()
        return _identify(root, chosen, settings, clock)
    if hub != identity.hub:
        save_identity(root, msgspec.structs.replace(identity, hub=hub))
    return identity, link


def _settings(root: Path, chosen: argparse.Namespace) -> Settings:
    """The folder's settings with the options' changes, which are kept."""
    from edgewright.agent.disk import settings

    kept = settings.load(root)
    changes = {name: value for name in OPTIONS if (value := getattr(chosen, name)) is not None}
    changed = settings.check(msgspec.structs.replace(kept, **changes))
    if changed != kept or not (root / settings.NAME).exists():
        settings.save(root, changed)
    return changed


@contextlib.contextmanager
def _working_in(root: Path) -> Iterator[None]:
    """Make the folder and keep other agents out of it; raises FolderInUse, UsageError."""
    from edgewright.agent.disk import durable

    try:
        durable.make_folder(root)
        lock = _lock(root)
    except OSError as error:
        raise UsageError(f"the folder {root} cannot be used: {error}", field="dir") from error
    try:
        yield
    finally:
        os.close(lock)


def _lock(root: Path) -> int:
    fd = os.open(root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise FolderInUse(f"another agent runs on {root}", field="dir") from error
    return fd


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edgewright-agent", description="Keeps models on this device working.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    verb = verbs.add_parser("run", help="run the agent; the first time with --hub and --claim")
    verb.set_defaults(act=run)
    verb.add_argument("--dir", type=Path, required=True, help="the agent's folder")
    verb.add_argument("--hub", default="", metavar="URL", help="the hub's address")
    verb.add_argument("--claim", default="", metavar="TOKEN", help="a one-time claim token")
    verb.add_argument("--name", default="", help="what people call this device (its host name)")
    verb.add_argument("--poll-s", type=float, help="seconds between check-ins (30)")
    verb.add_argument("--window-s", type=float, help="seconds that a profile's window covers (60)")
    verb.add_argument(
        "--bandwidth-bytes-s", type=float, help="the most bytes a second that downloads may take (no limit)"
    )
    verb.add_argument(
        "--metered",
        dest="is_metered",
        action=argparse.BooleanOptionalAction,
        help="each byte of this line costs money: fewest bytes before least time (no)",
    )
    verb.add_argument("--cache", metavar="URL", help="the site's cache, asked for blobs before the hub ('' for none)")
    _add_cache(verbs.add_parser("cache", help="keep blobs for the devices of this site, as a device of its own"))
    verb = verbs.add_parser("status", help="say what is on this device")
    verb.set_defaults(act=status)
    verb.add_argument("--dir", type=Path, required=True, help="the agent's folder")
    verb.add_argument("--json", action="store_true", help="as one JSON object")
    _add_bundle(verbs.add_parser("bundle", help="install from a bundle that was carried here, without any network"))
    _add_tuf(verbs.add_parser("tuf", help="use any TUF repository by hand, with the agent's own client"))
    verb = verbs.add_parser("version", help="say which agent this is")
    verb.set_defaults(act=version)
    return parser


def _add_cache(verb: argparse.ArgumentParser) -> None:
    verb.set_defaults(act=cache)
    verb.add_argument("--dir", type=Path, required=True, help="the cache's folder, no agent's")
    verb.add_argument("--hub", default="", metavar="URL", help="the hub's address")
    verb.add_argument("--claim", default="", metavar="TOKEN", help="a one-time claim token, the first time")
    verb.add_argument("--name", default="", help="what people call this cache (its host name)")
    verb.add_argument("--host", default="0.0.0.0", help="where to listen (everywhere)")  # noqa: S104
    verb.add_argument("--port", type=int, default=8765, help="at which port (8765)")
    verb.add_argument("--max-bytes", type=int, default=20 * 1024**3, help="the most disk to use (20 GiB)")


def _add_bundle(verb: argparse.ArgumentParser) -> None:
    verb.set_defaults(act=bundle)
    deeds = verb.add_subparsers(required=True, metavar="DEED")
    deed = deeds.add_parser("import", help="install what the bundle holds for this device; stop its agent first")
    deed.add_argument("bundle", type=Path, help="the bundle's folder")
    deed.add_argument("--dir", type=Path, required=True, help="the agent's folder")
    deed.add_argument("--json", action="store_true", help="tell how each install ended as JSON")


def _add_tuf(verb: argparse.ArgumentParser) -> None:
    verb.set_defaults(act=tuf)
    verb.add_argument("--metadata-dir", type=Path, required=True, help="where trusted metadata is kept")
    verb.add_argument("--metadata-url", default="", metavar="URL", help="the repository's metadata")
    verb.add_argument("--target-name", action="append", default=[], metavar="PATH", help="what to download; repeatable")
    verb.add_argument("--target-base-url", default="", metavar="URL", help="the repository's targets")
    verb.add_argument("--target-dir", type=Path, help="where to put what is downloaded")
    deeds = verb.add_subparsers(required=True, metavar="DEED", dest="deed")
    deed = deeds.add_parser("init", help="begin with a root that you trust")
    deed.add_argument("root", type=Path, help="the file of that root")
    deeds.add_parser("refresh", help="bring the metadata up to date")
    deeds.add_parser("download", help="bring the metadata up to date, then download the targets")
