"""Runs the demonstration and says at its end whether everything held."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from edgewright.cli.demo import beginning, trouble
from edgewright.cli.demo.ending import account
from edgewright.cli.demo.show import Show
from edgewright.cli.demo.site import Site
from edgewright.cli.demo.stage import Stage
from edgewright.cli.demo.summary import Summary
from edgewright.cli.output import say, show_facts, show_json
from edgewright.contract.errors import Conflict, Refused

STEPS: tuple[tuple[str, Callable[[Stage], None]], ...] = (
    ("A hub starts, and two people", beginning.start_hub),
    ("Two models are trained", beginning.train),
    ("Each is optimised for two targets", beginning.optimise),
    ("Packages are built, signed, approved, verified", beginning.release),
    ("Eight devices enrol", beginning.enrol),
    ("Both models roll out in waves of 1, 3 and 8", beginning.roll_out),
    ("A bad release is offered", trouble.offer_bad_release),
    ("The world changes", trouble.change_world),
    ("The trigger fires: samples, labels, a challenger", trouble.repair),
    ("The repair goes out as deltas; one agent is killed, one returns", trouble.deliver),
)


def run_demo(folder: Path | None, *, keep: bool, as_json: bool) -> None:
    """Run every step and print the summary. Raises Refused if something did not hold."""
    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgewright-demo-")))
        if place.exists() and any(place.iterdir()):
            raise Conflict(f"{place} is not empty", field="dir", hint="Name a folder that does not exist yet.")
        place.mkdir(parents=True, exist_ok=True)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        site = Site.prepare(place.resolve())
        stack.callback(site.stop)
        summary, stage = _play(site)
        show_json(summary) if as_json else show_facts(summary, FACTS, as_json=False)
        if keep:
            say(f"\nThe dashboard is at {stage.dashboard}: log in as ana, password {stage.password}. Ctrl-C ends it.")
            signal.pause()
    _check(summary)


def _play(site: Site) -> tuple[Summary, Stage]:
    show = Show(len(STEPS) + 1)
    stage = Stage(site, show)
    for title, act in STEPS:
        with show.step(title):
            act(stage)
    with show.step("The account"):
        return account(stage), stage


def _check(summary: Summary) -> None:
    """Raise Refused, naming what did not hold."""
    claims = {
        "no request failed": summary.requests.failed == 0,
        "the author's own approval was refused": summary.own_approval_refused,
        "the bad release reached one device": summary.bad_release.devices_reached == 1,
        "the bad release is remembered": summary.bad_release.state == "stopped",
        "the killed device recovered": summary.power_cut.recovered,
        "the offline device caught up": summary.offline_device.caught_up,
        "drift was detected": summary.drift.detected,
        "the other model was left alone": not summary.drift.other_model_flagged,
        "accuracy rose by 0.10": summary.accuracy.after >= summary.accuracy.before + 0.10,
        "the update cost at most 0.7 of full packages": summary.update.sent_bytes <= 0.7 * summary.update.full_bytes,
        "the audit log verifies": summary.audit.verified,
    }
    broken = [claim for claim, holds in claims.items() if not holds]
    if broken:
        raise Refused("it does not hold that " + "; that ".join(broken))


def _variants(summary: Summary) -> str:
    return "\n".join(
        f"{item.model}@{item.version} {item.target}: accuracy {item.accuracy:.3f}, "
        f"p50 {item.latency_p50_ms * 1000:.0f} µs, {item.bytes / 1000:.0f} kB"
        for item in summary.variants
    )


FACTS: tuple[tuple[str, Callable[[Summary], str]], ...] = (
    ("accuracy", lambda s: f"{s.accuracy.before:.3f} → {s.accuracy.after:.3f} in the changed world"),
    ("", lambda s: f"{s.accuracy.old_world_before:.3f} → {s.accuracy.old_world_after:.3f} in the old one"),
    ("repair", lambda s: f"{s.repair_s:.0f} s from the alarm to the last device"),
    (
        "update",
        lambda s: (
            f"{s.update.sent_bytes / 1000:.0f} kB sent instead of {s.update.full_bytes / 1000:.0f} kB "
            f"({s.update.sent_bytes / max(1, s.update.full_bytes):.2f})"
        ),
    ),
    ("requests", lambda s: f"{s.requests.total}, of which {s.requests.failed} failed"),
    ("bad release", lambda s: f"{s.bad_release.state}; ran on {s.bad_release.devices_reached} of {s.devices} devices"),
    ("power cut", lambda s: f"in step '{s.power_cut.killed_at}': {'recovered' if s.power_cut.recovered else 'LOST'}"),
    (
        "offline",
        lambda s: (
            f"{s.offline_device.rows_at_hub} of {s.offline_device.rows_inferred} rows arrived, "
            f"{s.offline_device.installs} install to catch up"
        ),
    ),
    ("drift", lambda s: f"after {s.drift.after_samples} samples, in {', '.join(s.drift.features)}"),
    ("variants", _variants),
    ("audit", lambda s: f"{s.audit.entries} entries, {'verified' if s.audit.verified else 'BROKEN'}"),
    ("wall time", lambda s: f"{s.wall_s:.0f} s"),
    ("dashboard", lambda s: s.dashboard),
)
