"""`edgewright-agent run`: the agent itself, until it is asked to stop."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from edgewright.agent.cli import folder

if TYPE_CHECKING:
    from edgewright.agent.disk import Settings
    from edgewright.contract.errors import InvalidInput

KEPT = (
    "poll_s",
    "window_s",
    "bandwidth_bytes_s",
    "is_metered",
    "ca",
    "daily_budget_bytes",
    "time_zone",
    "share",
    "http_port",
    "key",
)
"""Options that are settings of the same name: what is said once is kept."""
LISTS = ("caches", "download_windows", "switch_windows")
"""The same, for what may be said several times; '' alone forgets all of it."""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the verb."""
    verb = verbs.add_parser("run", help="run the agent; the first time with --hub and --claim")
    verb.set_defaults(act=act)
    folder.add_dir(verb)
    add_introduction(verb)
    verb.add_argument(
        "--key",
        metavar="PLACE",
        help="where this device's key shall be, said when it enrols: file, or pkcs11:… for a TPM or token (file)",
    )
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
    verb.add_argument("--ca", metavar="FILE", help="who vouches for the hub's certificate (the system's store)")
    verb.add_argument("--daily-budget-bytes", type=int, help="what may cross the line in a day (0: no limit)")
    add = verb.add_argument_group("lists, where each option may be given several times; '' for none").add_argument
    add("--cache", dest="caches", action="append", metavar="URL", help="a cache of the site, asked before the hub")
    window = "as in 'mon-fri 22:00-05:00'"
    add("--download-window", dest="download_windows", action="append", metavar="W", help=f"when to fetch, {window}")
    add("--switch-window", dest="switch_windows", action="append", metavar="W", help="when to switch models, as above")
    verb.add_argument("--time-zone", metavar="NAME", help="of the windows and the budget's day (the device's own)")
    verb.add_argument(
        "--share", metavar="ADDRESS:PORT", help="give neighbours the blobs that this device holds ('' not to)"
    )
    verb.add_argument("--http-port", type=int, metavar="N", help="serve all models and a page on localhost (0: do not)")


def add_introduction(verb: argparse.ArgumentParser, who: str = "device") -> None:
    """Let a verb take what enrols a device."""
    verb.add_argument("--hub", default="", metavar="URL", help="the hub's address")
    verb.add_argument("--claim", default="", metavar="TOKEN", help="a one-time claim token, the first time")
    verb.add_argument("--name", default="", help=f"what people call this {who} (its host name)")


def act(chosen: argparse.Namespace) -> int:
    """Run the agent until SIGTERM or SIGINT."""
    from edgewright.agent.cli.wiring import Introduction, assemble
    from edgewright.agent.system import Stop, logs

    root: Path = chosen.dir.absolute()
    is_to_begin_anew = threading.Event()
    with folder.working_in(root):
        stop = Stop()
        stop.listen()
        settings, problem = _settings(root, chosen)
        logs.start(root / "logs", settings.log_max_bytes)
        if problem is not None:
            logs.warn("the settings are damaged; those of the last good start count", reason=problem.message)
        said = Introduction(hub=chosen.hub, claim=chosen.claim, name=chosen.name)

        def begin_anew() -> None:
            is_to_begin_anew.set()
            stop.request()

        assemble(root, settings, said, stop, begin_anew).run()
    if is_to_begin_anew.is_set():
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
    return 0


def _settings(root: Path, chosen: argparse.Namespace) -> tuple[Settings, InvalidInput | None]:
    """The folder's settings with the options' changes, which are kept; and what is wrong with the file, if it is."""
    import msgspec

    from edgewright.agent import keys
    from edgewright.agent.disk import load_identity, settings
    from edgewright.agent.link.allowance import check_windows

    kept, problem = settings.load_or_last_good(root)
    if chosen.key is not None and keys.check_place(chosen.key) != kept.key and load_identity(root) is not None:
        raise keys.KeyChosen("this device is enrolled, with another key", field="key")
    changes = {name: value for name in KEPT if (value := getattr(chosen, name)) is not None}
    changes |= {name: tuple(filter(None, said)) for name in LISTS if (said := getattr(chosen, name)) is not None}
    changed = settings.check(msgspec.structs.replace(kept, **changes))
    if changes.keys() & {"download_windows", "switch_windows", "time_zone"}:
        check_windows(changed)
    if problem is not None:
        return changed, problem
    with contextlib.suppress(OSError):  # a full disk, or one for reading only, is no reason not to serve
        if changed != kept or not (root / settings.NAME).exists():
            settings.save(root, changed)
        settings.remember(root, changed)
    return changed, None
