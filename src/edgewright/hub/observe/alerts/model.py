"""What an alert goes through, and which alert an alarm belongs to. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from edgewright.contract.api import AlertKind, AlertLevel, AlertState, FeatureDrift, Severity
from edgewright.contract.errors import Conflict, InvalidInput, NotFound

MAX_SNOOZE_S = 90 * 86400.0
FAR_OVER = 3.0
"""Times the tolerance from which an effect is more than a warning."""
DEVICES_ALONE = 5
"""Devices of one version that get an alert each; those that come on top share one."""
MANY = "*"
"""The segment of the alert that further devices share."""


class UnknownAlert(NotFound):
    code = "unknown_alert"
    hint = "`edgewright alert ls --all` lists the alerts."


class AlertMovedOn(Conflict):
    code = "alert_moved_on"
    hint = "`edgewright alert show ALERT` tells where it stands."


class Act(StrEnum):
    """What is done with an alert."""

    ACKNOWLEDGE = "acknowledge"
    SNOOZE = "snooze"
    WAKE = "wake"
    REOPEN = "reopen"
    RESOLVE = "resolve"


OPEN, SEEN, ASLEEP, DONE = AlertState
NEXT: dict[tuple[AlertState, Act], AlertState] = {  # (state, what is done): the state after it
    (OPEN, Act.ACKNOWLEDGE): SEEN,
    (OPEN, Act.SNOOZE): ASLEEP,
    (OPEN, Act.RESOLVE): DONE,
    (SEEN, Act.SNOOZE): ASLEEP,
    (SEEN, Act.REOPEN): OPEN,
    (SEEN, Act.RESOLVE): DONE,
    (ASLEEP, Act.ACKNOWLEDGE): SEEN,
    (ASLEEP, Act.SNOOZE): ASLEEP,
    (ASLEEP, Act.WAKE): OPEN,
    (ASLEEP, Act.REOPEN): OPEN,
    (ASLEEP, Act.RESOLVE): DONE,
}


@dataclass(frozen=True)
class Alarm:
    """What a detector found, with all that explains it; see contract.api.AlertRecord.

    `times_over` is how often the effect holds the detector's tolerance. `cohorts` is how many cohorts share the
    segment's label.
    """

    model: str
    version: int
    kind: AlertKind
    level: AlertLevel
    segment: str
    detector: str
    since: float
    rows: int
    effect: float
    times_over: float
    features: tuple[FeatureDrift, ...]
    devices: tuple[str, ...]
    compared_with: str
    measure: str = "total variation"
    designed_days: float = 0.0
    cohorts: int = 0


@dataclass(frozen=True)
class Live:
    """An alert that is not resolved, as far as alarms are sorted by it."""

    id: str
    level: AlertLevel
    segment: str


@dataclass(frozen=True)
class Home:
    """Where an alarm goes: to the live alert `id`, or, where that is '', to a new one of `level` and `segment`.

    `folds` are live alerts that the new one takes in.
    """

    id: str
    level: AlertLevel
    segment: str
    folds: tuple[str, ...] = ()


def state_after(state: AlertState, act: Act, alert: str) -> AlertState:
    """The state after `act`; raises AlertMovedOn where an alert in `state` cannot be dealt with so."""
    after = NEXT.get((state, act))
    if after is None:
        raise AlertMovedOn(f"alert {alert} is {state}: it cannot be {_done(act)}", field="alert")
    return after


def news_of_sleep(before: AlertState, after: AlertState) -> str:
    """Whether an alert has fallen asleep ('snoozed') or woken, by the clock or a person ('woken'); '' for neither."""
    if before is after or after is DONE:
        return ""
    return "snoozed" if after is ASLEEP else "woken" if before is ASLEEP else ""


def check_until(until: float | None, now: float) -> float:
    """The moment until which an alert sleeps; raises InvalidInput unless it lies in the next 90 days."""
    if until is None or not now < until <= now + MAX_SNOOZE_S:
        raise InvalidInput("an alert is snoozed for up to 90 days", field="until", hint="Give a time such as 8h or 3d.")
    return until


def severity_of(level: AlertLevel, times_over: float) -> Severity:
    """How much an alarm asks for: the more of the fleet it is about and the larger its effect, the more."""
    is_far = times_over >= FAR_OVER
    if level is AlertLevel.DEVICE:
        return Severity.WARNING if is_far else Severity.INFO
    if level is AlertLevel.COHORT:
        return Severity.WARNING
    return Severity.CRITICAL if is_far else Severity.WARNING


def home_of(alarm: Alarm, live: Sequence[Live]) -> Home:
    """Which alert an alarm belongs to; `live` are those of its version and kind.

    1. Its own segment's alert, where one is live.
    2. A cohort's alarm belongs to the version's live alert. A device's does not: it differs from its cohort,
       whatever the cohort does.
    3. Where all cohorts of a label (two at least) alarm, it is the version. A new alert of the version takes those of
       its cohorts in.
    4. After five devices with an alert each, all further ones share one.
    """
    by_segment = {(one.level, one.segment): one.id for one in live}
    own = by_segment.get((alarm.level, alarm.segment))
    if own is not None:
        return Home(own, alarm.level, alarm.segment)
    if alarm.level is AlertLevel.COHORT:
        return _of_cohort(alarm, live, by_segment)
    if alarm.level is AlertLevel.VERSION:
        return Home("", alarm.level, "", _ids(live, AlertLevel.COHORT))
    if alarm.level is AlertLevel.DEVICE and len(_ids(live, AlertLevel.DEVICE)) >= DEVICES_ALONE:
        return Home(by_segment.get((alarm.level, MANY), ""), alarm.level, MANY)
    return Home("", alarm.level, alarm.segment)


def _of_cohort(alarm: Alarm, live: Sequence[Live], by_segment: dict[tuple[AlertLevel, str], str]) -> Home:
    version = by_segment.get((AlertLevel.VERSION, ""))
    if version is not None:
        return Home(version, AlertLevel.VERSION, "")
    label = label_of(alarm.segment)
    same = [one for one in live if one.level is AlertLevel.COHORT and label_of(one.segment) == label]
    if alarm.cohorts >= 2 and len(same) + 1 >= alarm.cohorts:
        return Home("", AlertLevel.VERSION, "", _ids(live, AlertLevel.COHORT))
    return Home("", alarm.level, alarm.segment)


def label_of(segment: str) -> str:
    """The label by which a cohort is one: 'site' of 'site=berlin'."""
    return segment.partition("=")[0]


def _ids(live: Collection[Live], level: AlertLevel) -> tuple[str, ...]:
    return tuple(one.id for one in live if one.level is level)


def _done(act: Act) -> str:
    return {Act.SNOOZE: "snoozed", Act.REOPEN: "reopened", Act.WAKE: "woken"}.get(act, f"{act}d".replace("edd", "ed"))
