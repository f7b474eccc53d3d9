"""What a letter about an alert says. Pure."""

from __future__ import annotations

import time

from edgewright.contract.api import AlertRecord, DetectorRecord
from edgewright.hub.observe.routes.model import News

NAMED = 20
SUBJECT_CHARS = 150
BEGINS = {
    News.RAISED: "",
    News.WORSE: "worse: ",
    News.SNOOZED: "snoozed: ",
    News.WOKEN: "still open: ",
    News.RESOLVED: "resolved: ",
    News.STILL: "still open: ",
    News.TEST: "test: ",
}


def subject(news: News, alert: AlertRecord) -> str:
    """The subject line: one line of printable characters, whatever names are in it."""
    text = f"[edgewright] {alert.severity}: {BEGINS[news]}{alert.message}"
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return plain if len(plain) <= SUBJECT_CHARS else plain[: SUBJECT_CHARS - 1] + "…"


def letter(news: News, alert: AlertRecord) -> str:
    """Everything that explains an alert, as plain text."""
    lines = [f"{BEGINS[news]}{alert.message}", ""]
    lines += [f"{name + ':':<15} {text}" for name, text in _facts(alert) if text]
    lines += ["", f"edgewright alert show {alert.id}"]
    return "\n".join(lines) + "\n"


def _facts(alert: AlertRecord) -> list[tuple[str, str]]:
    features = [f"{one.feature} {one.direction} {one.effect:.2f}" for one in alert.features[:NAMED]]
    return [
        ("what", f"{alert.kind}, found by {alert.detector}"),
        ("where", f"{alert.level} {alert.segment}".strip()),
        ("since", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(alert.since))),
        ("how much", f"{alert.effect:.3g} {alert.measure}, after {alert.rows} rows"),
        ("features", ", ".join(features)),
        ("devices", ", ".join(alert.devices[:NAMED]) + (" and more" if len(alert.devices) > NAMED else "")),
        ("also in", ", ".join(alert.folded[:NAMED])),
        ("compared with", alert.compared_with),
        ("how often wrong", wrongs(alert.track) if alert.track else ""),
    ]


def wrongs(track: DetectorRecord) -> str:
    """How often a detector is wrong, in words: as people found, and as it was designed."""
    said = track.true + track.false_alarms
    found = f"{track.false_alarms} of {said} alerts of this model that people judged were false alarms"
    design = f"designed for one in {track.designed_days:g} days for all that is watched" if track.designed_days else ""
    return "; ".join(part for part in (found if said else "nobody has judged one yet", design) if part)
